import { expect, it } from 'vitest';
import { quantileUs } from './quantile.ts';

const bins = [
  { low_us: 10, high_us: 11, count: 98 },
  { low_us: 20, high_us: 21, count: 1 },
  { low_us: 90, high_us: 95, count: 1 },
];

it('takes the nearest rank and the bin’s highest value', () => {
  expect([0, 0.5, 0.98, 0.981, 0.99, 0.991, 1].map((q) => quantileUs(bins, q))).toEqual([
    11, 11, 11, 21, 21, 95, 95,
  ]);
});

it('has no quantile of nothing', () => {
  expect(quantileUs([], 0.5)).toBeNull();
});
