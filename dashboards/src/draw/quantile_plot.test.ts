import { expect, it } from 'vitest';
import { quantileTicks } from './quantile_axis.ts';
import { quantilePlot, ticksApart } from './quantile_plot.ts';

const FRAME = { width: 240, height: 120, pad: { left: 30, right: 10, top: 10, bottom: 10 } };
const points = [
  { quantile: 0, value_us: 1_000 },
  { quantile: 0.9, value_us: 2_000 },
  { quantile: 0.99, value_us: 8_000 },
];

it('curves share one frame, and are dotted where they rest on too little', () => {
  const plot = quantilePlot(
    [
      { points, lastSolid: 0.9 },
      { points: points.slice(0, 2), lastSolid: 1 },
    ],
    FRAME,
  );
  expect([plot.xOf(0), plot.xOf(0.99), plot.right, plot.bottom]).toEqual([30, 230, 230, 110]);
  expect(plot.yOf(1_000)).toBeGreaterThan(plot.yOf(8_000));
  const [first, second] = plot.curves;
  expect(first?.solid).toMatch(/^M30\.0 [\d.]+H130\.0V[\d.]+$/);
  expect(first?.thin).toMatch(/^M130\.0 [\d.]+H230\.0V[\d.]+$/);
  expect(first?.thin.split('H')[0]?.slice(1)).toBe(`130.0 ${first?.solid.split('V')[1]}`);
  expect([first?.last?.quantile, second?.thin]).toEqual([0.99, '']);
});

it('nothing to draw has no span and no delay ticks', () => {
  const plot = quantilePlot([{ points: [], lastSolid: 0 }], FRAME);
  expect([plot.delays, plot.yTicks, plot.curves[0]?.solid]).toEqual([null, [], '']);
});

it('the round nines stay, others where there is room', () => {
  const names = (pxPerNine: number) =>
    ticksApart(quantileTicks(2), (quantile) => -Math.log10(1 - quantile) * pxPerNine).map(
      (tick) => tick.quantile,
    );
  expect(names(60)).toEqual([0, 0.9, 0.99]);
  expect(names(70)).toEqual([0, 0.9, 0.99, 0.75]);
  expect(names(200)).toEqual([0, 0.9, 0.99, 0.5, 0.75]);
});
