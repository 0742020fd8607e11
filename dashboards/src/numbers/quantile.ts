// Quantiles of a merged histogram: nearest rank, told as the middle of its bin, as the collector does. The only way to a percentile here; percentiles themselves are never averaged or interpolated.

export interface Bin {
  low_us: number;
  high_us: number;
  count: number;
}

/** Null for an empty histogram; 0 is the lowest value and 1 the highest. Bins ascend. */
export function quantileUs(bins: readonly Bin[], quantile: number): number | null {
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(quantile * total));
  let reached = 0;
  for (const bin of bins) {
    reached += bin.count;
    if (reached < rank) continue;
    if (quantile <= 0) return bin.low_us;
    return quantile >= 1 ? bin.high_us : bin.low_us + Math.floor((bin.high_us - bin.low_us + 1) / 2);
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
