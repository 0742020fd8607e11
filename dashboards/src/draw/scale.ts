// Scales: a number to a pixel, and a number to one of a few classes with edges a person can read.
// Pure arithmetic on microseconds and ratios; the colour of a class is colour.ts, its text is numbers/.

import type { Metric } from '../url/state.ts';

export interface Span {
  low: number;
  high: number;
}

/** Position 0..1 on a logarithmic span. */
export function logShare(value: number, span: Span): number {
  return Math.log(value / span.low) / Math.log(span.high / span.low);
}

const SERIES_COARSE = [1, 2, 5];
const SERIES_MIDDLE = [1, 1.5, 2, 3, 5, 7];
const SERIES_FINE = [1, 1.2, 1.4, 1.7, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8];

function seriesBetween(series: readonly number[], span: Span): number[] {
  const values: number[] = [];
  for (
    let power = Math.floor(Math.log10(span.low)) - 1;
    power <= Math.ceil(Math.log10(span.high));
    power += 1
  ) {
    for (const step of series) values.push(Number((step * 10 ** power).toPrecision(6)));
  }
  const first = Math.max(
    0,
    values.findLastIndex((value) => value <= span.low * 1.0001),
  );
  const last = values.findIndex((value) => value >= span.high * 0.9999);
  return values.slice(first, last + 1);
}

const SERIES_WIDE = [1, 3];
/** Narrower than this, colour would turn noise into a pattern. */
const LEAST_RATIO = 2.2;

/** Round edges of 5 to 9 classes around a span: 5 7 10 15 20 30 50, never 4.87 6.93 .... */
export function niceEdges(span: Span): number[] {
  const grow = Math.sqrt(Math.max(1, LEAST_RATIO / (span.high / span.low)));
  const widened = { low: span.low / grow, high: span.high * grow };
  const choices = [SERIES_WIDE, SERIES_COARSE, SERIES_MIDDLE, SERIES_FINE].map((s) =>
    seriesBetween(s, widened),
  );
  const misfit = (edges: number[]): number => Math.abs(edges.length - 8);
  return choices.reduce((best, edges) => (misfit(edges) < misfit(best) ? edges : best));
}

/** Round ticks inside a span, at most `most` of them, for an axis rather than a legend. */
export function logTicks(span: Span, most: number): number[] {
  const decades = [1];
  for (const series of [SERIES_FINE, SERIES_MIDDLE, SERIES_COARSE, decades]) {
    const inside = seriesBetween(series, span).filter((v) => v >= span.low * 0.999 && v <= span.high * 1.001);
    if (inside.length <= most) return inside;
  }
  return [];
}

export interface ClassScale {
  /** Edges between classes, ascending; class i lies between edge i and edge i + 1. The outer classes are open. */
  edges: number[];
  classes: number;
  /** Class 0 (least) to classes - 1. */
  classOf(value: number): number;
  /** 0..1 for colour.ts. */
  badness(value: number): number;
}

/** Loss is read against fixed edges, so that 0.1 % looks the same on every screen; exactly none has a class of its own. */
const LOSS_EDGES = [0, 1e-6, 0.001, 0.003, 0.01, 0.03, 0.1, 1];

/** Nearest-rank quantile of an ascending list. */
export function rankOf(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
}

/** Fits classes to what is on screen: p5..p95 of the values, rounded outwards. Null when there is nothing to fit. */
export function fitClasses(metric: Metric, values: readonly number[]): ClassScale | null {
  if (metric === 'loss') return classScale(LOSS_EDGES);
  const sorted = values.filter((value) => value > 0).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const edges = niceEdges({ low: rankOf(sorted, 0.05), high: rankOf(sorted, 0.95) });
  return classScale(edges, metric === 'down' || metric === 'up');
}

/** `more` is better, as of rates; else less. */
function classScale(edges: number[], more = false): ClassScale {
  const classes = edges.length - 1;
  const classOf = (value: number): number => {
    const above = edges.findLastIndex((edge) => value >= edge);
    return Math.min(classes - 1, Math.max(0, above));
  };
  return {
    edges,
    classes,
    classOf,
    badness(value) {
      const share = classes === 1 ? 0.5 : classOf(value) / (classes - 1);
      return more ? 1 - share : share;
    },
  };
}

/** The span of an axis that holds all values with a little air; logarithmic, never padded to a whole decade. */
export function airySpan(values: readonly number[], air = 1.08): Span | null {
  let low = Infinity;
  let high = 0;
  for (const value of values) {
    if (value <= 0) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high === 0) return null;
  const least = 1.5;
  const grow = high / low < least ? Math.sqrt(least / (high / low)) : 1;
  return { low: low / grow / air, high: high * grow * air };
}
