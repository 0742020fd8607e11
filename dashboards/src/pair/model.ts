// The pair page before it is drawn: the heat map as rectangles, stretches without data, bands, the loss strip, the table.
// All charts share one time span, the one the collector answered for; positions are shares 0..1 of it.

import type { HeatmapAnswer, SeriesAnswer, SeriesPoint } from '../api/model.ts';
import { logShare, type Span } from '../draw/scale.ts';

export interface TimeSpan {
  fromMs: number;
  toMs: number;
}

export function spanOf(answer: { from: string; to: string }): TimeSpan {
  return { fromMs: Date.parse(answer.from), toMs: Date.parse(answer.to) };
}

/** Column lengths tried for a window; the collector wants a multiple of 10 s and at most 400 columns. */
const STEPS_S = [10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];
const MOST_COLUMNS = 360;

/** One step for every chart of the page, so that a column of the heat map is a point of the bands is a bar of the loss. */
export function sharedStepS(span: TimeSpan): number {
  const seconds = (span.toMs - span.fromMs) / 1000;
  return (
    STEPS_S.find((step) => seconds / step <= MOST_COLUMNS) ?? Math.ceil(seconds / MOST_COLUMNS / 3600) * 3600
  );
}

/** Height of the heat map, in pixels. */
export const HEAT_PX = 260;

/** The delays the heat map shows, bottom to top; null without any. */
export function delaySpan(answer: HeatmapAnswer, floorUs: number | null): Span | null {
  const low = answer.rows[0]?.low_us;
  const high = answer.rows.at(-1)?.high_us;
  if (low === undefined || high === undefined) return null;
  // Room for the floor when it is near enough to say something about this path.
  const lowest = floorUs !== null && floorUs > low / 3 ? Math.min(low, floorUs) : low;
  return { low: lowest / 1.06, high: Math.max(high, lowest * 1.4) * 1.03 };
}

export interface HeatCell {
  x: number;
  y: number;
  width: number;
  height: number;
  /** 0..1, square root of the count over the fullest cell: a single sample must stay visible. */
  density: number;
}

/** Rectangles in pixels of the plot; row 0 is the shortest delay and lies at the bottom. */
export function heatCells(
  answer: HeatmapAnswer,
  span: TimeSpan,
  delays: Span,
  width: number,
  height: number,
): HeatCell[] {
  const fullest = answer.columns.reduce(
    (most, column) => column.counts.reduce((m, [, n]) => Math.max(m, n), most),
    1,
  );
  const xOf = (ms: number): number => ((ms - span.fromMs) / (span.toMs - span.fromMs)) * width;
  const yOf = (us: number): number => height - logShare(us, delays) * height;
  const rows = answer.rows.map((row) => {
    const top = Math.floor(yOf(row.high_us + 1));
    return { top, height: Math.max(1, Math.ceil(yOf(row.low_us)) - top) };
  });
  const cells: HeatCell[] = [];
  for (const column of answer.columns) {
    const start = Date.parse(column.start_at);
    const left = Math.floor(Math.max(0, xOf(start)));
    const right = Math.ceil(Math.min(width, xOf(start + answer.step_s * 1000)));
    for (const [row, count] of column.counts) {
      const place = rows[row];
      if (place === undefined || right <= left) continue;
      cells.push({
        x: left,
        y: place.top,
        width: right - left,
        height: place.height,
        density: Math.sqrt(count / fullest),
      });
    }
  }
  return cells;
}

export interface Silence {
  fromMs: number;
  toMs: number;
  /** The cause the agent gave, or null when nothing is known. */
  cause: string | null;
  reports: number | null;
}

/** Why a stretch may be empty, as far as anyone knows: reports the agent gave up, and what the store no longer holds. */
export interface Cause {
  start_at: string;
  end_at: string;
  cause: string;
  reports: number | null;
}

export function causesOf(series: SeriesAnswer): Cause[] {
  const missing = series.coverage.missing.map((one) => ({
    start_at: one.from,
    end_at: one.to,
    cause: one.cause,
    reports: null,
  }));
  return [...series.gaps, ...missing];
}

/** Newest data takes this long to arrive (an interval and its waiting time); until then its absence means nothing. */
const SETTLING_MS = 30_000;

/** Stretches of the span without any data, with the cause where one was reported. Never drawn as zero. */
export function silences(
  startsMs: readonly number[],
  stepS: number,
  causes: readonly Cause[],
  span: TimeSpan,
  nowMs: number,
): Silence[] {
  const step = stepS * 1000;
  const end = Math.min(span.toMs, nowMs - SETTLING_MS);
  const found: Silence[] = [];
  const add = (fromMs: number, toMs: number): void => {
    if (toMs - fromMs < step / 2) return;
    const gap = causes.find((one) => Date.parse(one.start_at) < toMs && Date.parse(one.end_at) > fromMs);
    found.push({ fromMs, toMs, cause: gap?.cause ?? null, reports: gap?.reports ?? null });
  };
  let reached = span.fromMs;
  for (const start of startsMs) {
    // The first step may begin inside the span only because the grid does not start where the span does.
    if (start - reached >= step) add(reached, start);
    reached = Math.max(reached, start + step);
  }
  if (end - reached >= step) add(reached, end);
  return found;
}

export interface Bands {
  /** Unix seconds, the middle of each step; a null row where a step is missing breaks the lines. */
  at: number[];
  min: (number | null)[];
  p10: (number | null)[];
  p50: (number | null)[];
  p90: (number | null)[];
  p99: (number | null)[];
}

export function bands(series: SeriesAnswer): Bands {
  const out: Bands = { at: [], min: [], p10: [], p50: [], p90: [], p99: [] };
  const push = (at: number, point: SeriesPoint | null): void => {
    const ms = (us: number | null | undefined): number | null =>
      us === null || us === undefined ? null : us / 1000;
    out.at.push(at);
    out.min.push(ms(point?.min_us));
    out.p10.push(ms(point?.p10_us));
    out.p50.push(ms(point?.p50_us));
    out.p90.push(ms(point?.p90_us));
    out.p99.push(ms(point?.p99_us));
  };
  let expected: number | null = null;
  for (const point of series.points) {
    const at = Date.parse(point.start_at) / 1000 + series.step_s / 2;
    if (expected !== null && at > expected + 0.5) push(expected, null);
    push(at, point);
    expected = at + series.step_s;
  }
  return out;
}

export interface LossBar {
  x: number;
  width: number;
  /** 0..1: square root of the ratio, so that one lost probe in a hundred is still seen beside an outage. */
  height: number;
  sent: number;
  lost: number;
}

export function lossBars(series: SeriesAnswer, span: TimeSpan, width: number): LossBar[] {
  const perMs = width / (span.toMs - span.fromMs);
  return series.points
    .filter((point) => point.lost > 0 && point.sent > 0)
    .map((point) => {
      const x = Math.max(0, (Date.parse(point.start_at) - span.fromMs) * perMs);
      return {
        x,
        width: Math.max(1.5, Math.min(width - x, series.step_s * 1000 * perMs)),
        height: Math.sqrt(point.lost / point.sent),
        sent: point.sent,
        lost: point.lost,
      };
    });
}

/** The step at an instant, or null between steps. */
export function pointAt(series: SeriesAnswer, atMs: number): SeriesPoint | null {
  const step = series.step_s * 1000;
  return (
    series.points.find((point) => {
      const start = Date.parse(point.start_at);
      return start <= atMs && atMs < start + step;
    }) ?? null
  );
}

/** RFC 4180 with CRLF, decimal point, UTC and units in the header: for machines, whatever the reader's language. */
export function seriesCsv(series: SeriesAnswer): string {
  const columns = [
    'n',
    'sent',
    'returned',
    'lost',
    'late',
    'duplicate',
    'reordered',
    'lost_out',
    'lost_back',
    'min_us',
    'p10_us',
    'p50_us',
    'p90_us',
    'p99_us',
    'max_us',
  ] as const;
  const head = ['start_at_utc', 'step_s', 'agent', 'zone', 'method', 'load', ...columns].join(',');
  const lines = series.points.map((point) =>
    [
      point.start_at,
      series.step_s,
      series.agent,
      series.zone,
      series.method,
      series.load,
      ...columns.map((column) => point[column] ?? ''),
    ].join(','),
  );
  return [head, ...lines, ''].join('\r\n');
}
