// Time ranges as the address bar and the API write them: `2026-11-23T10:00:00Z`, `now`, `now-5m`, `now-1h`.
// Pure: the present is always an argument. The grammar is the collector's (units s, m, h, d).

export interface TimeRange {
  /** As written: relative or ISO 8601 UTC. */
  from: string;
  to: string;
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const RELATIVE = /^now(?:-(\d{1,6})([smhd]))?$/;
const ABSOLUTE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z$/;

/** Unix milliseconds of one end of a range, or null if it is not written as the API reads it. */
export function parseInstant(text: string, nowMs: number): number | null {
  const relative = RELATIVE.exec(text);
  if (relative) {
    const unit = relative[2] as keyof typeof UNIT_MS | undefined;
    return unit === undefined ? nowMs : nowMs - Number(relative[1]) * UNIT_MS[unit];
  }
  if (!ABSOLUTE.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** Whole seconds, UTC: the form every permalink uses. */
export function formatInstant(unixMs: number): string {
  return new Date(Math.round(unixMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** A range is live when its end moves with the clock; only then may a refresh change what is on screen. */
export function isLive(range: TimeRange): boolean {
  return range.to === 'now';
}

/** The same range as fixed instants, for a link that still shows the same evidence tomorrow. */
export function toAbsolute(range: TimeRange, nowMs: number): TimeRange {
  const from = parseInstant(range.from, nowMs);
  const to = parseInstant(range.to, nowMs);
  return {
    from: from === null ? range.from : formatInstant(from),
    to: to === null ? range.to : formatInstant(to),
  };
}

/** Both ends in unix milliseconds; an end that cannot be read is the present, or an hour before the end. */
export function windowOf(range: TimeRange, nowMs: number): { fromMs: number; toMs: number } {
  const toMs = parseInstant(range.to, nowMs) ?? nowMs;
  return { fromMs: parseInstant(range.from, nowMs) ?? toMs - 3_600_000, toMs };
}

export type RangeFault = 'unreadable' | 'empty';

/** What is wrong with a range the reader wrote, or null when the collector will accept it. */
export function rangeFault(range: TimeRange, nowMs: number): RangeFault | null {
  const from = parseInstant(range.from, nowMs);
  const to = parseInstant(range.to, nowMs);
  if (from === null || to === null) return 'unreadable';
  return from < to ? null : 'empty';
}

/** A brushed stretch, snapped outwards to the 10 s grid of the intervals and never shorter than one minute. */
export function brushedRange(startMs: number, endMs: number): TimeRange {
  const grid = 10_000;
  const least = 60_000;
  let from = Math.floor(Math.min(startMs, endMs) / grid) * grid;
  let to = Math.ceil(Math.max(startMs, endMs) / grid) * grid;
  if (to - from < least) {
    from = Math.floor((from + to - least) / 2 / grid) * grid;
    to = from + least;
  }
  return { from: formatInstant(from), to: formatInstant(to) };
}

/**
 * The same stretch earlier by `shift` (`1d`), or by as many times that as it takes not to overlap. Relative where the range is, so
 * that the question stays the same while time passes. Null for a range that cannot be read.
 */
export function earlierRange(range: TimeRange, shift: string, nowMs: number): TimeRange | null {
  const [from, to] = [parseInstant(range.from, nowMs), parseInstant(range.to, nowMs)];
  const back = parseInstant(`now-${shift}`, 0);
  if (from === null || to === null || back === null || back === 0 || from >= to) return null;
  const shiftMs = Math.ceil((to - from) / -back) * -back;
  if (!isLive(range)) return { from: formatInstant(from - shiftMs), to: formatInstant(to - shiftMs) };
  const ago = (ms: number): string => `now-${Math.round(ms / 1000)}s`;
  return { from: ago(nowMs - from + shiftMs), to: ago(nowMs - to + shiftMs) };
}

/** Twice the range around its middle, ending no later than now. */
export function widerRange(range: TimeRange, nowMs: number): TimeRange {
  const from = parseInstant(range.from, nowMs) ?? nowMs - 3_600_000;
  const to = parseInstant(range.to, nowMs) ?? nowMs;
  const half = (to - from) / 2;
  const end = Math.min(nowMs, to + half);
  return { from: formatInstant(end - 4 * half), to: formatInstant(end) };
}

export const PRESETS = ['now-5m', 'now-15m', 'now-1h', 'now-6h', 'now-24h', 'now-7d'] as const;
