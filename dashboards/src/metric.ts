// The four numbers a reader can choose: reading one from a cell, and writing it with its unit.

import type { Cell } from './api/model.ts';
import { exactMs, percent, shortMs } from './numbers/delay.ts';
import type { Metric } from './url/state.ts';

/** What of a cell is shown; a cell of a map, or a window of a comparison. */
export type Seen = Pick<
  Cell,
  'n' | 'sent' | 'returned' | 'lost' | 'loss_ratio' | 'p50_us' | 'p90_us' | 'p99_us' | 'clock'
>;

/** Microseconds for a delay, a ratio for loss; null where nothing was measured. */
export function valueOf(
  cell: Pick<Seen, 'p50_us' | 'p90_us' | 'p99_us' | 'loss_ratio'>,
  metric: Metric,
): number | null {
  switch (metric) {
    case 'p50':
      return cell.p50_us;
    case 'p90':
      return cell.p90_us;
    case 'p99':
      return cell.p99_us;
    case 'loss':
      return cell.loss_ratio;
  }
}

/** Probed, and nothing came back: there is no delay, and that is worse than any delay. */
export function isDead(cell: Pick<Seen, 'n' | 'sent' | 'returned'> | null): boolean {
  return cell !== null && cell.n === 0 && cell.sent > 0 && cell.returned === 0;
}

export function unitOf(metric: Metric): 'ms' | '%' {
  return metric === 'loss' ? '%' : 'ms';
}

/** For dense places, without the unit. */
export function shortValue(value: number | null, metric: Metric, locale: string): string {
  return metric === 'loss' ? percent(value, locale) : shortMs(value, locale);
}

/** For sentences, with the unit. */
export function valueWithUnit(value: number | null, metric: Metric, locale: string): string {
  const text = metric === 'loss' ? percent(value, locale) : exactMs(value, locale);
  return `${text}\u00a0${unitOf(metric)}`;
}
