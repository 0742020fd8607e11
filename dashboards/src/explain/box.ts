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

/** The whole of what a histogram holds, in microseconds. */
const WHOLE_US = { lowUs: 1, highUs: 60_000_000 };

/**
 * `2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~800~1000`. Of a mangled one the half that can be read is kept: without its times it is
 * as wide as `window`, without its delays as high as a histogram; ends in the wrong order are turned. `dropped` are the parts left out;
 * where nothing can be read there is no rectangle.
 */
export function readBox(
  text: string | null,
  window: { fromMs: number; toMs: number },
): { box: Box | null; dropped: string[] } {
  if (text === null || text === '') return { box: null, dropped: [] };
  const [from = '', to = '', low = '', high = '', ...more] = text.split('~');
  const ordered = (a: number | null, b: number | null): [number, number] | null =>
    a === null || b === null || Number.isNaN(a) || Number.isNaN(b) ? null : a <= b ? [a, b] : [b, a];
  const times = ordered(parseInstant(from, Number.NaN), parseInstant(to, Number.NaN));
  const delay = (part: string): number | null => (/^\d{1,9}$/.test(part) ? Number(part) : null);
  const delays = ordered(delay(low), delay(high));
  const time = times !== null && times[0] < times[1] ? times : null;
  if (time === null && delays === null) return { box: null, dropped: [text] };
  const dropped = more.some((part) => part !== '') ? [more.join('~')] : [];
  if (time === null) dropped.push(`${from}~${to}`);
  if (delays === null) dropped.push(`${low}~${high}`);
  const [fromMs, toMs] = time ?? [window.fromMs, window.toMs];
  const [lowUs, highUs] = delays ?? [WHOLE_US.lowUs, WHOLE_US.highUs];
  return { box: { fromMs, toMs, lowUs, highUs }, dropped };
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
