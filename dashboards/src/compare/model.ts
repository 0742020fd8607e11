// Two to four zones side by side from the same vantage points. Pure. A comparison counts only vantage points that have enough
// samples to every zone compared: else the zone that is measured from nearby would win by absence.

import type { Agent, ComparedPair, Zone } from '../api/model.ts';
import { groupBy } from '../group.ts';
import { compareValues, isRate, valueOf, type SeenCell } from '../metric.ts';
import { tooFew } from '../numbers/samples.ts';
import type { Metric } from '../url/state.ts';
import { formatInstant, isLive, parseInstant, type TimeRange } from '../url/time.ts';

export const MOST_ZONES = 4;

/** The zones the address names, known ones, once each; and the names nobody knows. */
export function readZones(
  text: string | null,
  zones: readonly Zone[],
): { chosen: Zone[]; unknown: string[]; dropped: number } {
  const asked = [...new Set((text ?? '').split(',').filter((name) => name !== ''))];
  const found = asked.map((name) => zones.find((zone) => zone.zone === name));
  const known = found.filter((zone) => zone !== undefined);
  return {
    chosen: known.slice(0, MOST_ZONES),
    unknown: asked.filter((_, i) => found[i] === undefined),
    dropped: Math.max(0, known.length - MOST_ZONES),
  };
}

/** Something worth comparing when nothing is asked: one zone of each of up to three providers in the metro that has most. */
export function proposedZones(zones: readonly Zone[]): Zone[] {
  const metros = [...groupBy([...zones], (zone) => zone.metro).values()].map((list) => [
    ...groupBy(list, (zone) => zone.provider).values(),
  ]);
  const best = metros.toSorted((a, b) => b.length - a.length)[0] ?? [];
  const firsts = best.map((list) => list[0]!).slice(0, 3);
  return firsts.length >= 2 ? firsts : zones.slice(0, 2);
}

export interface Row {
  agent: Agent;
  /** In the order of the zones compared; null where nothing was measured. */
  cells: (SeenCell | null)[];
  values: (number | null)[];
  /** Every zone has enough samples from here, and which is best can be told. */
  counts: boolean;
  /** Which zones are best from here; more than one when they are equal. */
  best: number[];
}

/** One row per vantage point that has anything, the clearest differences first, those that do not count last. */
export function rowsOf(
  agents: readonly Agent[],
  zones: readonly Zone[],
  cells: readonly SeenCell[],
  metric: Metric,
): Row[] {
  const byKey = new Map(cells.map((cell) => [`${cell.agent} ${cell.zone}`, cell]));
  const rows = agents.map((agent): Row => {
    const own = zones.map((zone) => byKey.get(`${agent.agent} ${zone.zone}`) ?? null);
    const values = own.map((cell) => (cell === null ? null : valueOf(cell, metric)));
    const isBest = (value: number): boolean =>
      values.every((other) => compareValues(value, other!, metric) <= 0);
    // What was cut short below the best may carry more than it: who is best is not known then.
    const decided = own.every(
      (cell, i) => !isRate(metric) || cell?.carried?.[metric]?.atLeast !== true || isBest(values[i]!),
    );
    const counts =
      own.every((cell, i) => cell !== null && values[i] !== null && !tooFew(metric, cell)) && decided;
    const best = counts ? values.flatMap((value, i) => (isBest(value!) ? [i] : [])) : [];
    return { agent, cells: own, values, counts, best };
  });
  const spread = (row: Row): number => {
    const present = row.values.filter((value) => value !== null);
    return Math.max(...present) - Math.min(...present);
  };
  return rows
    .filter((row) => row.cells.some((cell) => cell !== null))
    .sort(
      (a, b) =>
        Number(b.counts) - Number(a.counts) ||
        (a.counts ? spread(b) - spread(a) : 0) ||
        (a.agent.agent < b.agent.agent ? -1 : 1),
    );
}

export interface Wins {
  /** Vantage points from which this zone alone is best. */
  won: number;
  /** Those where it shares the best value with another. */
  shared: number;
  /** Vantage points that count. */
  of: number;
}

export function winsOf(rows: readonly Row[], zone: number): Wins {
  const counting = rows.filter((row) => row.counts);
  return {
    won: counting.filter((row) => row.best.length === 1 && row.best[0] === zone).length,
    shared: counting.filter((row) => row.best.length > 1 && row.best.includes(zone)).length,
    of: counting.length,
  };
}

const DAY_MS = 86_400_000;

/** The same hours one day earlier, or as many days as the range is long: people and networks have days. */
export function dayBefore(
  range: TimeRange,
  nowMs: number,
): { baseline_from: string; baseline_to: string } | null {
  const from = parseInstant(range.from, nowMs);
  const to = parseInstant(range.to, nowMs);
  if (from === null || to === null || from >= to) return null;
  const shift = Math.ceil((to - from) / DAY_MS) * DAY_MS;
  if (!isLive(range))
    return { baseline_from: formatInstant(from - shift), baseline_to: formatInstant(to - shift) };
  // Relative, so that the question stays the same while time passes.
  const ago = (ms: number): string => `now-${Math.round(ms / 1000)}s`;
  return { baseline_from: ago(nowMs - from + shift), baseline_to: ago(nowMs - to + shift) };
}

export interface Change {
  slower: number;
  faster: number;
  /** Pairs that could be judged. */
  of: number;
}

/** A pair changed when its false discovery rate says so; how much is the sign of theta. */
export function changeOf(pairs: readonly ComparedPair[], zone: string, most = 0.05): Change {
  const judged = pairs.filter((pair) => pair.zone === zone && pair.q !== null);
  const sure = judged.filter((pair) => pair.q! <= most);
  return {
    slower: sure.filter((pair) => pair.theta! > 0.5).length,
    faster: sure.filter((pair) => pair.theta! < 0.5).length,
    of: judged.length,
  };
}
