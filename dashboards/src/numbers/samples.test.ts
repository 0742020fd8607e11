import { expect, it } from 'vitest';
import { lastSolidQuantile, tooFew } from './samples.ts';

it('a p99 of 99 samples is too few, of 100 is not', () => {
  expect(tooFew('p99', { n: 99, sent: 99 })).toBe(true);
  expect(tooFew('p99', { n: 100, sent: 100 })).toBe(false);
  expect(tooFew('p50', { n: 99, sent: 99 })).toBe(false);
});

it('loss counts what was sent: a dead zone returns nothing and is still well measured', () => {
  expect(tooFew('loss', { n: 0, sent: 300 })).toBe(false);
  expect(tooFew('p50', { n: 0, sent: 300 })).toBe(true);
});

it('the curve is solid while ten samples lie above', () => {
  expect(lastSolidQuantile(1000)).toBeCloseTo(0.99);
  expect(lastSolidQuantile(5)).toBe(0);
});
