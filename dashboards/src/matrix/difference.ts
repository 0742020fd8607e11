// The matrix against an earlier window: what changed, and which of it surely. Pure. The collector judges medians and losses (false
// discovery rate over all pairs asked for); of the other percentiles there is the difference alone, and it is not called sure.

import type { ComparedPair } from '../api/model.ts';
import type { Seen } from '../metric.ts';
import { valueOf } from '../metric.ts';
import type { Metric } from '../url/state.ts';

/** At most this share of the changes called sure are expected to be none. */
const MOST_FALSE = 0.05;

export interface Difference {
  /** Window minus baseline: microseconds, or a share of probes; null where either has none. */
  by: number | null;
  /** Null where nobody judged. */
  sure: boolean | null;
  before: Seen;
}

type Window = ComparedPair['window'];

/** A window of a comparison as the matrix shows a cell. */
export function seenOf(window: Window, clock: ComparedPair['clock']): Seen {
  const { n, sent, lost, loss_ratio, p50_us, p90_us, p99_us } = window;
  return { n, sent, lost, returned: sent - lost, loss_ratio, p50_us, p90_us, p99_us, clock };
}

export function differenceOf(pair: ComparedPair, metric: Metric): Difference {
  const [now, then] = [valueOf(pair.window, metric), valueOf(pair.baseline, metric)];
  const q = metric === 'p50' ? pair.q : metric === 'loss' ? pair.loss_q : null;
  return {
    by: now === null || then === null ? null : now - then,
    sure: q === null ? null : q <= MOST_FALSE,
    before: seenOf(pair.baseline, pair.clock),
  };
}

export interface DifferenceScale {
  /** Ascending sizes at which the next class begins, from above zero. */
  edges: number[];
  /** -1 to 1 for colour.ts; 0 below the first edge. */
  shareOf(by: number): number;
}

const NICE = [1, 2, 5];
const CLASSES = 4;

/** Fits four classes to each side: the widest begins at a round size that a few changes reach. Null when nothing changed. */
export function fitDifference(sizes: readonly number[]): DifferenceScale | null {
  const sorted = sizes.map(Math.abs).filter((size) => size > 0);
  if (sorted.length === 0) return null;
  sorted.sort((a, b) => a - b);
  const high = sorted[Math.floor(0.95 * (sorted.length - 1))]!;
  const rounds: number[] = [];
  for (let power = Math.floor(Math.log10(high)) - 4; power <= Math.log10(high); power += 1)
    for (const step of NICE) rounds.push(Number((step * 10 ** power).toPrecision(3)));
  const edges = rounds.filter((value) => value <= high).slice(-CLASSES);
  return {
    edges,
    shareOf(by) {
      const reached = edges.filter((edge) => Math.abs(by) >= edge).length;
      return (Math.sign(by) * reached) / CLASSES;
    },
  };
}
