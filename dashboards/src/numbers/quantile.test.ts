import { expect, it } from 'vitest';
import { quantileUs } from './quantile.ts';

const bins = [
  { low_us: 10, high_us: 10, count: 98 },
  { low_us: 4096, high_us: 4099, count: 1 },
  { low_us: 8192, high_us: 8199, count: 1 },
];

it('takes the nearest rank and the bin’s middle, and the ends of the first and the last', () => {
  expect([0, 0.5, 0.98, 0.981, 0.99, 0.991, 1].map((q) => quantileUs(bins, q))).toEqual([
    10, 10, 10, 4098, 4098, 8196, 8199,
  ]);
});

it('has no quantile of nothing', () => {
  expect(quantileUs([], 0.5)).toBeNull();
});
