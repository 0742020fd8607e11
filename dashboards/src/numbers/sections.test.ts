import { describe, expect, it } from 'vitest';
import { halfWidth, level, sectionS } from './sections.ts';

const of = (values: number[]) => new Map(values.map((value, i) => [`${i}`, value]));
/** A repeatable stream of numbers in [0, 1). */
function stream(seed: number): () => number {
  let state = seed;
  return () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0), state / 2 ** 32);
}

describe('sections', () => {
  it('the interval holds the true median in about 95 of 100 windows, also when neighbours resemble each other', () => {
    const draw = stream(7);
    let held = 0;
    const rounds = 400;
    for (let round = 0; round < rounds; round += 1) {
      let drift = 0;
      const all: number[] = [];
      const medians: number[] = [];
      for (let section = 0; section < 10; section += 1) {
        const own: number[] = [];
        for (let i = 0; i < 60; i += 1) {
          drift = 0.8 * drift + (draw() - 0.5);
          own.push(100 + drift + 4 * (draw() - 0.5));
        }
        own.sort((a, b) => a - b);
        medians.push(own[29]!);
        all.push(...own);
      }
      all.sort((a, b) => a - b);
      const whole = all[299]!;
      if (Math.abs(whole - 100) <= halfWidth(whole, medians)!) held += 1;
    }
    expect(held / rounds).toBeGreaterThan(0.9);
    expect(held / rounds).toBeLessThan(0.99);
  });

  it('says nothing from five sections', () => {
    expect(halfWidth(10, [9, 10, 11, 10, 10])).toBeNull();
    expect(halfWidth(10, [9, 10, 11, 10, 10, 10])).toBeGreaterThan(0);
  });

  it('what moves both together does not hide which is ahead', () => {
    const wave = [0, 5, 1, 9, 2, 7, 3, 8];
    const one = { whole: 14, sections: of(wave.map((w) => 10 + w)) };
    const next = { whole: 14.5, sections: of(wave.map((w) => 10.5 + w)) };
    expect(level(one, next)).toBe(false);
    const mixed = { whole: 14.5, sections: of(wave.toReversed().map((w) => 10.5 + w)) };
    expect(level(one, mixed)).toBe(true);
    expect(level(one, { whole: 14.5, sections: of([10]) })).toBeNull();
  });

  it('cuts every preset into about ten, in whole units of the store’s tiers', () => {
    expect([300, 900, 3_600, 21_600, 86_400, 604_800].map((s) => sectionS(0, s * 1000))).toEqual([
      30, 120, 360, 2_160, 7_200, 61_200,
    ]);
    expect(sectionS(0, 100_000)).toBe(10);
    expect(sectionS(0, 50_000)).toBeNull();
  });
});
