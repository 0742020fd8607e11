import { expect, it } from 'vitest';
import { count, exactMs, percent, shortMs, tickMs } from './delay.ts';

it('shortMs fits a cell at every size', () => {
  expect([23, 420, 996, 9_120, 12_345, 99_960, 104_200].map((us) => shortMs(us, 'en'))).toEqual([
    '0.023',
    '0.42',
    '1.0',
    '9.1',
    '12.3',
    '100',
    '104',
  ]);
});

it('exactMs keeps three significant digits', () => {
  expect([421, 9_123, 12_345, 104_200].map((us) => exactMs(us, 'en'))).toEqual([
    '0.421',
    '9.12',
    '12.3',
    '104',
  ]);
});

it('a number that does not exist is a dash, never 0', () => {
  expect([shortMs(null, 'en'), exactMs(undefined, 'en'), percent(null, 'en'), count(null, 'en')]).toEqual(
    Array(4).fill('–'),
  );
});

it('percent never rounds a real loss to nothing', () => {
  expect([0, 0.000_02, 0.0009, 0.034, 1].map((r) => percent(r, 'en'))).toEqual([
    '0',
    '<0.01',
    '0.09',
    '3.4',
    '100',
  ]);
});

it('ticks are told apart at every scale', () => {
  expect([15, 20, 150, 1_500, 10_000, 200_000].map((us) => tickMs(us, 'en'))).toEqual([
    '0.015',
    '0.02',
    '0.15',
    '1.5',
    '10',
    '200',
  ]);
});

it('French writes a comma', () => {
  expect(shortMs(12_345, 'fr')).toBe('12,3');
});
