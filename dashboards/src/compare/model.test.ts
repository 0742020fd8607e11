import { describe, expect, it } from 'vitest';
import type { Agent, ComparedPair } from '../api/model.ts';
import { makeAgent, makeCell, makeZone } from '../fixtures.ts';
import { changeOf, dayBefore, proposedZones, readZones, rowsOf, winsOf } from './model.ts';

const [A, B, C] = ['aws/p/a', 'gcp/p/b', 'ovh/g/c'].map((zone, i) =>
  makeZone(zone, i < 2 ? 'Paris' : 'Gravelines'),
) as [ReturnType<typeof makeZone>, ReturnType<typeof makeZone>, ReturnType<typeof makeZone>];
const agent = (id: string): Agent => ({ agent: id }) as Agent;

it('does not call a rate best while another was cut short below it', () => {
  const zones = ['p/r/1', 'p/r/2'].map((zone) => makeZone(zone, 'Paris'));
  const rated = (zone: string, bps: number, atLeast: boolean) => ({
    ...makeCell('a', zone),
    carried: { up: { bps, atLeast, at: '2026-11-25T10:00:00Z', tests: 1, failed: 0 } },
  });
  const row = (one: boolean, two: boolean): [boolean, number[]] => {
    const cells = [rated('p/r/1', 90e6, one), rated('p/r/2', 40e6, two)];
    const [found] = rowsOf([makeAgent('a', 'Aix')], zones, cells, 'up');
    return [found!.counts, found!.best];
  };
  expect(row(false, false)).toEqual([true, [0]]);
  expect(row(true, false)).toEqual([true, [0]]);
  expect(row(false, true)).toEqual([false, []]);
});

describe('the zones asked for', () => {
  it('are the known ones, once each, at most four; the rest is said', () => {
    const read = readZones('aws/p/a,moon,aws/p/a,ovh/g/c,', [A, B, C]);
    expect(read).toEqual({ chosen: [A, C], unknown: ['moon'], dropped: 0 });
    const many = [1, 2, 3, 4, 5].map((n) => makeZone(`aws/p/${n}`, 'Paris'));
    const five = readZones(many.map((zone) => zone.zone).join(','), many);
    expect([five.chosen.length, five.dropped]).toEqual([4, 1]);
    expect(readZones(null, [A])).toEqual({ chosen: [], unknown: [], dropped: 0 });
  });

  it('are proposed from the metro with most providers', () => {
    expect(proposedZones([C, A, makeZone('aws/p/z', 'Paris'), B])).toEqual([A, B]);
    expect(proposedZones([])).toEqual([]);
  });
});

describe('a comparison', () => {
  const cells = [
    makeCell('one', A.zone, { p50_us: 9_000 }),
    makeCell('one', B.zone, { p50_us: 5_000 }),
    makeCell('two', A.zone, { p50_us: 7_000 }),
    makeCell('two', B.zone, { p50_us: 7_000 }),
    makeCell('thin', A.zone, { p50_us: 1_000, n: 3 }),
    makeCell('thin', B.zone, { p50_us: 9_000 }),
    makeCell('half', A.zone, { p50_us: 1_000 }),
  ];
  const rows = rowsOf(['half', 'thin', 'two', 'one', 'none'].map(agent), [A, B], cells, 'p50');

  it('has the clearest difference first and counts only who has enough to all', () => {
    expect(rows.map((row) => row.agent.agent)).toEqual(['one', 'two', 'half', 'thin']);
    expect(rows.map((row) => row.counts)).toEqual([true, true, false, false]);
    expect(rows.map((row) => row.best)).toEqual([[1], [0, 1], [], []]);
    expect(winsOf(rows, 0)).toEqual({ won: 0, shared: 1, of: 2 });
    expect(winsOf(rows, 1)).toEqual({ won: 1, shared: 1, of: 2 });
  });

  it('says what changed only where it is sure', () => {
    const pair = (zone: string, q: number | null, theta: number): ComparedPair =>
      ({ zone, q, theta }) as ComparedPair;
    const pairs = [
      pair('a', 0.01, 0.9),
      pair('a', 0.02, 0.7),
      pair('a', 0.05, 0.1),
      pair('a', 0.06, 0.9),
      pair('a', null, 0.9),
      pair('b', 0, 1),
    ];
    expect(changeOf(pairs, 'a')).toEqual({ slower: 2, faster: 1, of: 4 });
  });
});

describe('the same hours a day before', () => {
  const NOW = Date.parse('2026-11-25T16:00:00Z');
  it('stay one question while time passes, and never overlap', () => {
    expect(dayBefore({ from: 'now-1h', to: 'now' }, NOW)).toEqual({
      baseline_from: 'now-90000s',
      baseline_to: 'now-86400s',
    });
    expect(dayBefore({ from: 'now-7d', to: 'now' }, NOW)?.baseline_to).toBe('now-604800s');
  });
  it('are fixed where the range is', () => {
    const fixed = { from: '2026-11-23T10:00:00Z', to: '2026-11-23T11:00:00Z' };
    expect(dayBefore(fixed, NOW)).toEqual({
      baseline_from: '2026-11-22T10:00:00Z',
      baseline_to: '2026-11-22T11:00:00Z',
    });
    expect(dayBefore({ from: 'moon', to: 'now' }, NOW)).toBeNull();
  });
});
