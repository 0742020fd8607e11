// Ticks and texts of a time axis. Ticks are computed on UTC instants, so the night of a clock change neither repeats nor loses
// one; texts are 24-hour in the zone the reader chose, and the zone is always printed.

export interface Tick {
  atMs: number;
  text: string;
  /** A tick that also starts a day carries its date. */
  day: string | null;
}

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const STEPS = [
  10_000,
  30_000,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
];

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds east of UTC at an instant, in an IANA zone. */
export function offsetMs(atMs: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0;
  let clock = clocks.get(timeZone);
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    clocks.set(timeZone, clock);
  }
  const parts = clock.formatToParts(atMs);
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(atMs / 1000) * 1000;
}

/** The clocks change within a day of this instant: a time of day alone could be read as another instant. */
export function nearChange(atMs: number, timeZone: string): boolean {
  return offsetMs(atMs - DAY, timeZone) !== offsetMs(atMs + DAY, timeZone);
}

export function timeTicks(
  fromMs: number,
  toMs: number,
  most: number,
  timeZone: string,
  locale: string,
): Tick[] {
  const step = STEPS.find((one) => (toMs - fromMs) / one <= most) ?? 30 * DAY;
  const offset = offsetMs(fromMs, timeZone);
  const changes = offset !== offsetMs(toMs, timeZone);
  const ticks: Tick[] = [];
  let lastDay: string | null = null;
  let lastOffset: string | null = null;
  for (
    let even = Math.ceil((fromMs + offset) / step) * step - offset;
    even <= toMs + 2 * HOUR;
    even += step
  ) {
    // Steps longer than the change of the clocks go on standing on the same hours of the day: that day has 23 or 25.
    const at = step > HOUR ? even + offset - offsetMs(even, timeZone) : even;
    if (at > toMs || at < fromMs) continue;
    const day = formatDay(at, timeZone, locale);
    const name = offsetName(at, timeZone);
    // In the night of a change the day below the tick also says which of the two clocks it is by.
    const words = [day === lastDay ? null : day, changes && name !== lastOffset ? name : null];
    const below = words.filter((word) => word !== null).join(' ');
    ticks.push({
      atMs: at,
      text: step >= DAY ? '' : plainTime(at, timeZone, locale, step < MINUTE),
      day: below === '' ? null : below,
    });
    lastDay = day;
    lastOffset = name;
  }
  return ticks;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(atMs: number, locale: string, options: Intl.DateTimeFormatOptions): string {
  const key = locale + JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, { hourCycle: 'h23', ...options });
    formats.set(key, made);
  }
  return made.format(atMs);
}

function plainTime(atMs: number, timeZone: string, locale: string, seconds: boolean): string {
  const second = seconds ? ({ second: '2-digit' } as const) : {};
  return format(atMs, locale, { timeZone, hour: '2-digit', minute: '2-digit', ...second });
}

/** The time of day; within a day of a change of the clocks with its offset, because 02:30 may come twice: `02:30 (+2)`. */
export function formatTime(atMs: number, timeZone: string, locale: string, seconds = true): string {
  const plain = plainTime(atMs, timeZone, locale, seconds);
  return nearChange(atMs, timeZone) ? `${plain} (${offsetName(atMs, timeZone).slice(3) || '+0'})` : plain;
}

export function formatDay(atMs: number, timeZone: string, locale: string): string {
  return format(atMs, locale, { timeZone, day: 'numeric', month: 'short' });
}

/** `14:30–15:30`, with dates as soon as a day is crossed or is not today's. */
export function formatRange(
  fromMs: number,
  toMs: number,
  nowMs: number,
  timeZone: string,
  locale: string,
): string {
  const seconds = toMs - fromMs < 10 * MINUTE;
  const [a, b, today] = [fromMs, toMs, nowMs].map((at) => formatDay(at, timeZone, locale));
  const from = formatTime(fromMs, timeZone, locale, seconds);
  const to = formatTime(toMs, timeZone, locale, seconds);
  if (a === b) return a === today ? `${from}–${to}` : `${a} ${from}–${to}`;
  return `${a} ${from} – ${b} ${to}`;
}

/** `UTC` or `UTC+1`: what the wall clock on screen means at that instant. */
export function offsetName(atMs: number, timeZone: string): string {
  const minutes = Math.round(offsetMs(atMs, timeZone) / MINUTE);
  if (minutes === 0) return 'UTC';
  const hours = Math.trunc(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? '−' : '+'}${hours}${rest === 0 ? '' : `:${String(rest).padStart(2, '0')}`}`;
}
