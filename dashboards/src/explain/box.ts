// A rectangle of time and delay in the heat map, as the address writes it and as the heat map's cells bound it. Pure.

import type { HeatmapAnswer } from '../api/model.ts';
import { formatInstant, parseInstant } from '../url/time.ts';

export interface Box {
  fromMs: number;
  toMs: number;
  /** Shortest and longest delay, both inside. */
  lowUs: number;
  highUs: number;
}

/** `2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~800~1000`; null for anything else. */
export function readBox(text: string | null): Box | null {
  const [from, to, low, high, more] = (text ?? '').split('~');
  if (from === undefined || to === undefined || more !== undefined) return null;
  const delay = /^\d{1,9}$/;
  if (!delay.test(low ?? '') || !delay.test(high ?? '')) return null;
  const [fromMs, toMs] = [parseInstant(from, Number.NaN), parseInstant(to, Number.NaN)];
  if (fromMs === null || toMs === null || !(fromMs < toMs)) return null;
  const [lowUs, highUs] = [Number(low), Number(high)];
  return lowUs <= highUs ? { fromMs, toMs, lowUs, highUs } : null;
}

export function writeBox(box: Box): string {
  return [formatInstant(box.fromMs), formatInstant(box.toMs), box.lowUs, box.highUs].join('~');
}

/** The whole columns and rows that a rectangle touches; what is counted is then what is seen. Null off the map. */
export function snapped(box: Box, map: HeatmapAnswer): Box | null {
  const stepMs = map.step_s * 1000;
  const rows = map.rows.filter((row) => row.high_us >= box.lowUs && row.low_us <= box.highUs);
  const [low, high] = [rows[0]?.low_us, rows.at(-1)?.high_us];
  if (low === undefined || high === undefined) return null;
  const fromMs = Math.floor(box.fromMs / stepMs) * stepMs;
  return {
    fromMs,
    toMs: Math.max(fromMs + stepMs, Math.ceil(box.toMs / stepMs) * stepMs),
    lowUs: low,
    highUs: high,
  };
}

/** Where reading begins without a pointer: the slowest tenth of the whole window. */
export function slowest(map: HeatmapAnswer, p90Us: number | null): Box | null {
  const high = map.rows.at(-1)?.high_us;
  if (high === undefined || p90Us === null) return null;
  const whole = { fromMs: Date.parse(map.from), toMs: Date.parse(map.to) };
  return snapped({ ...whole, lowUs: Math.min(p90Us + 1, high), highUs: high }, map);
}
