import { describe, expect, it } from 'vitest';
import { airySpan, fitClasses, logShare, logTicks, niceEdges } from './scale.ts';

describe('niceEdges', () => {
  it.each([
    [1_100, 42_000],
    [5_200, 19_800],
    [11_000, 12_000],
    [900, 900],
    [300, 3_000_000],
    [10_000, 40_000],
  ])('gives 5 to 9 readable classes around %i..%i', (low, high) => {
    const edges = niceEdges({ low, high });
    expect(edges.length).toBeGreaterThanOrEqual(6);
    expect(edges.length).toBeLessThanOrEqual(10);
    expect(edges[0]).toBeLessThanOrEqual(low);
    expect(edges.at(-1)).toBeGreaterThanOrEqual(high);
    edges.forEach((edge) => expect(Number(edge.toPrecision(2))).toBe(edge));
  });

  it('rounds to 1-2-5 where that suffices', () => {
    expect(niceEdges({ low: 1_000, high: 50_000 })).toEqual([1_000, 2_000, 5_000, 10_000, 20_000, 50_000]);
  });
});

describe('fitClasses', () => {
  it('uses the whole ramp for what is on screen, whatever its size', () => {
    for (const factor of [1, 10, 100]) {
      const values = [5, 6, 8, 11, 13, 17, 20].map((v) => v * 1000 * factor);
      const scale = fitClasses('p50', values)!;
      expect(scale.classOf(values[0]!)).toBe(0);
      expect(scale.badness(values.at(-1)!)).toBe(1);
    }
  });

  it('keeps outliers in the outer classes', () => {
    const scale = fitClasses('p50', [5_000, 6_000, 8_000])!;
    expect(scale.classOf(1)).toBe(0);
    expect(scale.classOf(1e9)).toBe(scale.classes - 1);
  });

  it('gives no loss a class of its own, and never the same as some loss', () => {
    const scale = fitClasses('loss', [])!;
    expect(scale.classOf(0)).toBe(0);
    expect(scale.classOf(1 / 100_000)).toBe(1);
    expect(scale.badness(1)).toBe(1);
  });

  it('has nothing to say about nothing', () => {
    expect(fitClasses('p50', [])).toBeNull();
  });
});

it('logTicks stay inside and few', () => {
  const ticks = logTicks({ low: 10_200, high: 34_000 }, 7);
  expect(ticks.length).toBeGreaterThanOrEqual(3);
  expect(ticks.length).toBeLessThanOrEqual(7);
  ticks.forEach((tick) => expect(tick).toBeGreaterThan(10_000));
});

it('airySpan does not pad to decades', () => {
  const span = airySpan([11_000, 30_000])!;
  expect(span.low).toBeGreaterThan(10_000);
  expect(span.high).toBeLessThan(33_000);
  expect(logShare(span.high, span)).toBeCloseTo(1);
});
