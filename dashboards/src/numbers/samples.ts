// When a number rests on too few samples to be read as one. Shown grey with its n, never hidden.

import type { Metric } from '../url/state.ts';

/** At least one sample above the quantile, and ten in all for a median; loss needs a resolution of 5 % or better; a test says itself how sure it is. */
const LEAST: Record<Metric, number> = { p50: 10, p90: 20, p99: 100, loss: 20, down: 0, up: 0 };

export interface Counted {
  n: number;
  sent: number;
}

export function tooFew(metric: Metric, cell: Counted): boolean {
  return (metric === 'loss' ? cell.sent : cell.n) < LEAST[metric];
}

export function leastSamples(metric: Metric): number {
  return LEAST[metric];
}

/** A percentile curve is solid up to the quantile that still has ten samples above it, dotted beyond. */
export function lastSolidQuantile(n: number): number {
  return n <= 10 ? 0 : 1 - 10 / n;
}
