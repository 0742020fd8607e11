// Quantiles of a merged histogram: nearest rank, reported as the highest value of its bin, as the collector and hdrhistogram
// do. The only way to a percentile here; percentiles themselves are never averaged or interpolated.

export interface Bin {
  low_us: number;
  high_us: number;
  count: number;
}

/** Null for an empty histogram. Bins ascend. */
export function quantileUs(bins: readonly Bin[], quantile: number): number | null {
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(quantile * total));
  let reached = 0;
  for (const bin of bins) {
    reached += bin.count;
    if (reached >= rank) return bin.high_us;
  }
  return null;
}

/** The same of an answer; null where not even one delay lies beyond the quantile, too. */
export function knownQuantileUs(
  answer: { n: number; bins: readonly Bin[] } | null,
  quantile: number,
): number | null {
  return answer !== null && answer.n * (1 - quantile) >= 1 ? quantileUs(answer.bins, quantile) : null;
}
