// The numbers a reader can choose: reading one from a cell, which way it is better, and writing it with its unit.

import type { Cell } from './api/model.ts';
import { exactMs, percent, shortMs, tickMs } from './numbers/delay.ts';
import type { Metric } from './url/state.ts';

/** What the newest throughput test of one direction found, or the middle of those of several vantage points. */
export interface Carried {
  /** Bits per second; null when every test failed. */
  bps: number | null;
  /** The test was cut before its rate had settled: the path carries this much or more. */
  atLeast: boolean;
  /** When the newest load ended. */
  at: string;
  tests: number;
  failed: number;
}

/** By direction; nothing where nobody tests. */
export type CarriedBoth = Partial<Record<'down' | 'up', Carried>>;

/** What of a cell is shown; a cell of a map, or a window of a comparison. */
export type Seen = Pick<
  Cell,
  'n' | 'sent' | 'returned' | 'lost' | 'loss_ratio' | 'p50_us' | 'p90_us' | 'p99_us' | 'clock'
> & { carried?: CarriedBoth };

/** A cell of a map, and what its path carries where that was asked for. */
export type SeenCell = Cell & { carried?: CarriedBoth };

export const isRate = (metric: Metric): metric is 'down' | 'up' => metric === 'down' || metric === 'up';
export const isDelay = (metric: Metric): boolean => metric !== 'loss' && !isRate(metric);

/** Microseconds for a delay, a ratio for loss, bits per second for throughput; null where nothing was measured. */
export function valueOf(
  cell: Pick<Seen, 'p50_us' | 'p90_us' | 'p99_us' | 'loss_ratio' | 'carried'>,
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
    default:
      return cell.carried?.[metric]?.bps ?? null;
  }
}

/** Below zero when the first is better. */
export function compareValues(one: number, other: number, metric: Metric): number {
  return isRate(metric) ? other - one : one - other;
}

/** The samples a value rests on: delays, probes sent, or tests. */
export function samplesOf(cell: Pick<Seen, 'n' | 'sent' | 'carried'>, metric: Metric): number {
  if (isRate(metric)) return cell.carried?.[metric]?.tests ?? 0;
  return metric === 'loss' ? cell.sent : cell.n;
}

/** Probed, and nothing came back: there is no delay, and that is worse than any delay. */
export function isDead(cell: Pick<Seen, 'n' | 'sent' | 'returned'> | null): boolean {
  return cell !== null && cell.n === 0 && cell.sent > 0 && cell.returned === 0;
}

export function unitOf(metric: Metric): 'ms' | '%' | 'Mbit/s' {
  return isRate(metric) ? 'Mbit/s' : metric === 'loss' ? '%' : 'ms';
}

/** Megabits of bits: the digits of milliseconds of microseconds, once they are thousandths. */
export const mbit = (bps: number | null | undefined, locale: string): string =>
  shortMs(bps == null ? null : bps / 1000, locale);

/** For dense places, without the unit. */
export function shortValue(value: number | null, metric: Metric, locale: string): string {
  if (isRate(metric)) return mbit(value, locale);
  return metric === 'loss' ? percent(value, locale) : shortMs(value, locale);
}

/** The value of a cell for dense places; a rate that is only a lower bound is said to be one. */
export function cellValue(cell: Seen | null, metric: Metric, locale: string): string {
  const text = shortValue(cell === null ? null : valueOf(cell, metric), metric, locale);
  return isRate(metric) && cell?.carried?.[metric]?.atLeast ? `≥${text}` : text;
}

/** For sentences, with the unit. */
export function valueWithUnit(value: number | null, metric: Metric, locale: string): string {
  const text = isDelay(metric) ? exactMs(value, locale) : shortValue(value, metric, locale);
  return `${text}\u00a0${unitOf(metric)}`;
}

/** A tick of an axis or an edge of a class; not for loss, whose edges are its own. */
export function tickText(value: number, metric: Metric, locale: string): string {
  return tickMs(isRate(metric) ? value / 1000 : value, locale);
}
