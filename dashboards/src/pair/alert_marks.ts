// The alerts of a pair as bars over its time span: which fall into it, and in which lane each lies. Pure.

import type { Alert } from '../api/model.ts';
import type { TimeSpan } from './model.ts';

export interface AlertMark {
  id: string;
  rule: string;
  measure: string;
  fromMs: number;
  toMs: number;
  /** It goes on. */
  open: boolean;
  /** 0 at the top; bars in one lane do not touch. */
  lane: number;
}

/** More bars than this one above the other would be a chart of their own. */
const MOST_LANES = 4;

/** The bars of the alerts on series of this method; one that goes on reaches to the end of the span. */
export function alertMarks(alerts: readonly Alert[], method: string, span: TimeSpan): AlertMark[] {
  const bars = alerts
    .filter((alert) => alert.series['method'] === method && alert.fired_at != null)
    .map((alert) => ({
      id: alert.id,
      rule: alert.rule,
      measure: alert.measure,
      fromMs: Date.parse(alert.regressed_at ?? alert.fired_at ?? ''),
      toMs: alert.resolved_at == null ? Infinity : Date.parse(alert.resolved_at),
      open: alert.resolved_at == null,
      lane: 0,
    }))
    .filter((bar) => bar.fromMs < span.toMs && bar.toMs > span.fromMs)
    .sort((a, b) => a.fromMs - b.fromMs || (a.id < b.id ? -1 : 1));
  const ends: number[] = [];
  // A bar is never drawn narrower than its handle.
  const least = (span.toMs - span.fromMs) / 40;
  for (const bar of bars) {
    const from = Math.max(span.fromMs, bar.fromMs);
    const free = ends.findIndex((end) => end <= from);
    bar.lane = free < 0 ? ends.length : free;
    ends[bar.lane] = Math.max(from + least, bar.toMs);
  }
  return bars.filter((bar) => bar.lane < MOST_LANES);
}
