// The axis of a percentile curve: 1/(1-q), so that 90 %, 99 %, 99.9 % are evenly far apart and the tail has room.

/** 0 at the minimum, 1 at 90 %, 2 at 99 %, 3 at 99.9 %. */
export function nines(quantile: number): number {
  return -Math.log10(Math.max(1e-9, 1 - quantile));
}

export interface QuantileTick {
  quantile: number;
  at: number;
}

/** 0, 50, 90, 99, 99.9, ... up to the reach of the data. */
export function quantileTicks(reach: number): QuantileTick[] {
  const quantiles = [0, 0.5, 0.75];
  for (let nine = 1; nine <= Math.ceil(reach); nine += 1) quantiles.push(1 - 10 ** -nine);
  return quantiles
    .map((quantile) => ({ quantile, at: nines(quantile) }))
    .filter((tick) => tick.at <= reach + 1e-9);
}

/** `p50`, `p99`, `p99.9`: as people say it. */
export function quantileName(quantile: number): string {
  return `p${Number((quantile * 100).toPrecision(8))}`;
}

export interface CurvePoint {
  quantile: number;
  value_us: number;
}

/** Splits a curve where its samples get thin: the part to draw solid and the part to draw dotted, joined at one point. */
export function splitCurve(
  points: readonly CurvePoint[],
  lastSolid: number,
): { solid: CurvePoint[]; thin: CurvePoint[] } {
  const index = points.findIndex((point) => point.quantile > lastSolid);
  if (index < 0) return { solid: [...points], thin: [] };
  return { solid: points.slice(0, index), thin: points.slice(Math.max(0, index - 1)) };
}
