import { describe, expect, it } from 'vitest';
import type { ComparedPair } from '../api/model.ts';
import { differenceOf, fitDifference } from './difference.ts';
import { frameRanges, FRAMES, readFrame } from './frames.ts';

const window = { n: 100, n_effective: 50, intervals: 30, sent: 100, lost: 1, loss_ratio: 0.01 };
const pair: ComparedPair = {
  agent: 'a',
  zone: 'p/r/z',
  clock: 'kernel',
  window: { ...window, p50_us: 12_000, p90_us: 15_000, p99_us: null },
  baseline: { ...window, p50_us: 10_000, p90_us: 16_000, p99_us: 20_000, lost: 0, loss_ratio: 0 },
  shift_p50_us: 2_000,
  theta: 0.9,
  p: 0.001,
  q: 0.02,
  why: null,
  loss_p: 0.4,
  loss_q: 0.6,
  loss_why: null,
};

describe('a difference', () => {
  it('is called sure where the collector judged it so, and nothing where it did not judge', () => {
    expect(differenceOf(pair, 'p50')).toMatchObject({ by: 2_000, sure: true });
    expect(differenceOf(pair, 'loss')).toMatchObject({ by: 0.01, sure: false });
    expect(differenceOf(pair, 'p90')).toMatchObject({ by: -1_000, sure: null });
    expect(differenceOf(pair, 'p99')).toMatchObject({ by: null, sure: null });
    expect(differenceOf({ ...pair, q: 0.051 }, 'p50').sure).toBe(false);
  });

  it('has a scale that is the same to both sides and round', () => {
    const scale = fitDifference([10, -400, 900, 2_100, 60])!;
    expect(scale.edges.every((edge) => [1, 2, 5].includes(edge / 10 ** Math.floor(Math.log10(edge))))).toBe(
      true,
    );
    expect(scale.shareOf(2_100)).toBe(-scale.shareOf(-2_100));
    expect(scale.shareOf(2_100)).toBe(1);
    expect(scale.shareOf(1)).toBe(0);
    expect(fitDifference([0, 0])).toBeNull();
  });
});

describe('frames', () => {
  it('follow each other without hole or overlap and end with the window shown', () => {
    const ranges = frameRanges(0, 300_000);
    expect(ranges.length).toBe(FRAMES);
    expect(ranges.at(-1)).toEqual({ from: '1970-01-01T00:00:00Z', to: '1970-01-01T00:05:00Z' });
    ranges.slice(1).forEach((range, i) => expect(range.from).toBe(ranges[i]!.to));
  });

  it('are read from the API’s table, names with commas included; what was not measured stays away', () => {
    const csv = 'agent,zone,n,loss_ratio,p50_us\r\na,p/r/z,3,0.5,900\r\n"b, ""c""",p/r/z,3,0,\r\n';
    expect([...readFrame(csv, 'p50')!]).toEqual([['a\np/r/z', 900]]);
    expect([...readFrame(csv, 'loss')!]).toEqual([
      ['a\np/r/z', 0.5],
      ['b, "c"\np/r/z', 0],
    ]);
    expect(readFrame('<html>', 'p50')).toBeNull();
    expect(readFrame(csv, 'p99')).toBeNull();
  });
});
