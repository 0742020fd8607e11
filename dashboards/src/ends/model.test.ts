import { describe, expect, it } from 'vitest';
import { makeCell } from '../fixtures.ts';
import { axisOf, readSort, sortWays, spreadOf, type Way } from './model.ts';

const way = (key: string, more: Parameters<typeof makeCell>[2] | null = {}): Way => ({
  key,
  name: key,
  cell: more === null ? null : makeCell('agent', key, more),
});
const WAYS = [
  way('far', { p50_us: 30_000, p99_us: 31_000, loss_ratio: 0.5, n: 9 }),
  way('unmeasured', null),
  way('near', { p50_us: 2_000, p99_us: 90_000, loss_ratio: 0 }),
  way('dead', { n: 0, returned: 0, lost: 300, loss_ratio: 1, p50_us: null, p90_us: null, p99_us: null }),
];
const sorted = (text: string | null): string => {
  const { column, reverse } = readSort(text);
  return sortWays(WAYS, column, reverse)
    .map((one) => one.key)
    .join(' ');
};

describe('ways of one end', () => {
  it('stand by their median unless the address says otherwise, and what is absent stands last', () => {
    expect(sorted(null)).toBe('near far dead unmeasured');
    expect(sorted('moon')).toBe('near far dead unmeasured');
    expect(sorted('-p50')).toBe('far near dead unmeasured');
    expect(sorted('p99')).toBe('far near dead unmeasured');
    expect(sorted('loss')).toBe('dead far near unmeasured');
    expect(sorted('n')).toBe('near far dead unmeasured');
    expect(sorted('-name')).toBe('unmeasured near far dead');
  });

  it('are drawn on one axis, and only where there is a delay', () => {
    const axis = axisOf(WAYS)!;
    expect(axis.low).toBeLessThan(2_000);
    expect(axis.high).toBeGreaterThan(90_000);
    const near = spreadOf(WAYS[2]!.cell, axis)!;
    expect(near.p50).toBeGreaterThan(0);
    expect(near.p99).toBeLessThan(1);
    expect(near.p50).toBeLessThan(near.p99);
    expect([spreadOf(WAYS[3]!.cell, axis), spreadOf(null, axis), spreadOf(WAYS[0]!.cell, null)]).toEqual([
      null,
      null,
      null,
    ]);
  });
});
