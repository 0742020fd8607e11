import { expect, it } from 'vitest';
import { nines, quantileName, quantileTicks, splitCurve } from './quantile_axis.ts';

it('each nine is one step', () => {
  expect([0, 0.9, 0.99, 0.999].map((q) => Number(nines(q).toFixed(9)))).toEqual(
    [-0, 1, 2, 3].map((v) => v + 0),
  );
});

it('ticks stop where the data stops', () => {
  expect(quantileTicks(2.4).map((tick) => quantileName(tick.quantile))).toEqual([
    'p0',
    'p50',
    'p75',
    'p90',
    'p99',
  ]);
  expect(quantileName(0.9999)).toBe('p99.99');
});

it('a curve is dotted only beyond its last solid quantile and stays joined', () => {
  const points = [0, 0.5, 0.9, 0.99, 0.999].map((quantile) => ({ quantile, value_us: 1 }));
  const { solid, thin } = splitCurve(points, 0.95);
  expect(solid.at(-1)!.quantile).toBe(0.9);
  expect(thin[0]!.quantile).toBe(0.9);
  expect(splitCurve(points, 1).thin).toEqual([]);
});
