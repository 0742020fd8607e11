// What paths carry, laid beside what their delays are. Pure. Tests are rare: a map of the last minutes shows the newest of a day.

import type { Cell, NewestThroughputAnswer } from '../api/model.ts';
import { groupBy } from '../group.ts';
import type { Carried, CarriedBoth, SeenCell } from '../metric.ts';
import { formatInstant, isLive, parseInstant, type TimeRange } from '../url/time.ts';

const DAY_MS = 86_400_000;

/** The window asked for tests: that of the view, but a day at least. */
export function lookBack(range: TimeRange, nowMs: number): TimeRange {
  const [from, to] = [parseInstant(range.from, nowMs), parseInstant(range.to, nowMs)];
  if (from === null || to === null || to - from >= DAY_MS) return range;
  return isLive(range)
    ? { from: 'now-24h', to: range.to }
    : { from: formatInstant(to - DAY_MS), to: range.to };
}

type Row = NewestThroughputAnswer['cells'][number];

const sideOf = (row: Row): 'down' | 'up' => (row.direction === 'download' ? 'down' : 'up');
const carriedOf = (row: Row): Carried => ({
  bps: row.bps,
  atLeast: row.reading === 'lower_bound',
  at: row.at,
  tests: row.tests,
  failed: row.failed,
});

/** A pair of which only tests are known. */
const unmeasured = (agent: string, zone: string): Cell => ({
  agent,
  zone,
  n: 0,
  sent: 0,
  returned: 0,
  lost: 0,
  loss_ratio: null,
  min_us: null,
  p50_us: null,
  p90_us: null,
  p99_us: null,
  max_us: null,
  ipdv_pairs: 0,
  ipdv_mean_us: null,
  pdv_p95_us: null,
  pdv_p99_us: null,
  late: 0,
  duplicate: 0,
  reordered: 0,
  lost_out: 0,
  lost_back: 0,
  lost_unknown: 0,
  one_way: null,
  asymmetry_unknown: null,
  errors: {},
  clock: null,
  granularity: 'zone',
});

/** The cells, each with what its path carries; pairs of which only tests are known come last. */
export function withCarried(cells: readonly Cell[], answer: NewestThroughputAnswer | null): SeenCell[] {
  if (answer === null) return cells as SeenCell[];
  const byPair = new Map<string, CarriedBoth>();
  for (const row of answer?.cells ?? []) {
    const key = `${row.agent}\n${row.zone}`;
    byPair.set(key, { ...byPair.get(key), [sideOf(row)]: carriedOf(row) });
  }
  const seen = cells.map((cell): SeenCell => {
    const key = `${cell.agent}\n${cell.zone}`;
    const carried = byPair.get(key);
    byPair.delete(key);
    return carried === undefined ? cell : { ...cell, carried };
  });
  for (const [key, carried] of byPair) {
    const [agent, zone] = key.split('\n') as [string, string];
    seen.push({ ...unmeasured(agent, zone), carried });
  }
  return seen;
}

/**
 * Many vantage points as one: of each zone the middle (nearest rank) of what their newest tests found. Where one of these was cut
 * short the middle is a lower bound too: had it gone on, the middle could only have risen.
 */
export function middles(answer: NewestThroughputAnswer | null, agents?: ReadonlySet<string>): Row[] {
  const rows = (answer?.cells ?? []).filter((row) => agents === undefined || agents.has(row.agent));
  return [...groupBy(rows, (row) => `${row.zone} ${row.direction}`).values()].map((list) => {
    const known = list.filter((row) => row.bps !== null).sort((a, b) => a.bps! - b.bps!);
    const middle = known[Math.max(0, Math.ceil(known.length / 2) - 1)];
    const newest = list.reduce((one, other) => (other.at > one.at ? other : one));
    const sum = (of: 'tests' | 'failed'): number => list.reduce((total, row) => total + row[of], 0);
    return {
      ...newest,
      agent: '',
      bps: middle?.bps ?? null,
      reading: known.some((row) => row.reading === 'lower_bound') ? 'lower_bound' : newest.reading,
      tests: sum('tests'),
      failed: sum('failed'),
    };
  });
}
