// Percentile curves of delays in one frame: where a quantile and a delay lie in it, and the lines through them. Pure; colours,
// words and the tables beside the frame are their screens' own.
import { nines, quantileTicks, splitCurve, type CurvePoint, type QuantileTick } from './quantile_axis.ts';
import { airySpan, logShare, logTicks } from './scale.ts';

export interface Frame {
  width: number;
  height: number;
  pad: { left: number; right: number; top: number; bottom: number };
}

/** Some points, and from which quantile on they rest on too few delays to be drawn solid. */
export interface CurveData {
  points: readonly CurvePoint[];
  lastSolid: number;
}

export interface QuantilePlot {
  /** Of the delays in it; null when there are none. */
  delays: { low: number; high: number } | null;
  right: number;
  bottom: number;
  xOf: (quantile: number) => number;
  yOf: (us: number) => number;
  yTicks: number[];
  xTicks: QuantileTick[];
  /** In the order of the data: the part to draw solid and the part to draw dotted, as path data, and the last point. */
  curves: { solid: string; thin: string; last: CurvePoint | undefined }[];
}

export function quantilePlot(data: readonly CurveData[], { width, height, pad }: Frame): QuantilePlot {
  const delays = airySpan(data.flatMap(({ points }) => points.map((point) => point.value_us)));
  const reach = Math.max(1, ...data.map(({ points }) => nines(points.at(-1)?.quantile ?? 0)));
  const plotWidth = Math.max(50, width - pad.left - pad.right);
  const plotHeight = height - pad.top - pad.bottom;
  const xOf = (quantile: number): number => pad.left + (nines(quantile) / reach) * plotWidth;
  const yOf = (us: number): number =>
    pad.top + (delays === null ? 0 : (1 - logShare(us, delays)) * plotHeight);
  /** Steps, because a nearest-rank quantile is one: it holds until the next one. */
  const path = (points: readonly CurvePoint[]): string =>
    points
      .map(({ quantile, value_us }, i) => {
        const [x, y] = [xOf(quantile).toFixed(1), yOf(value_us).toFixed(1)];
        return i === 0 ? `M${x} ${y}` : `H${x}V${y}`;
      })
      .join('');
  return {
    delays,
    right: pad.left + plotWidth,
    bottom: pad.top + plotHeight,
    xOf,
    yOf,
    yTicks: delays === null ? [] : logTicks(delays, 7),
    xTicks: ticksApart(quantileTicks(reach), xOf),
    curves: data.map(({ points, lastSolid }) => {
      const { solid, thin } = splitCurve(points, lastSolid);
      return { solid: path(solid), thin: path(thin), last: points.at(-1) };
    }),
  };
}

/** Pixels that the name of a tick needs. */
const TICK_ROOM_PX = 24;

/** Narrow plots keep the round nines and drop what would touch its neighbour. */
export function ticksApart(
  ticks: readonly QuantileTick[],
  xOf: (quantile: number) => number,
): QuantileTick[] {
  const kept = ticks.filter(({ quantile }) => quantile === 0 || quantile >= 0.9);
  for (const tick of ticks) {
    const isApart = kept.every((other) => Math.abs(xOf(other.quantile) - xOf(tick.quantile)) >= TICK_ROOM_PX);
    if (!kept.includes(tick) && isApart) kept.push(tick);
  }
  return kept;
}
