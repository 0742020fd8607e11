// The throughput tests of one pair before they are drawn: where each stands in time and rate, and the scale. Pure. A rate that was
// cut short stands as an arrow that points up from what was reached; a failed test has no rate and stands at the foot.

import type { ThroughputTest } from '../api/model.ts';

export interface Span {
  fromMs: number;
  toMs: number;
}

export interface Mark {
  test: ThroughputTest;
  atMs: number;
  /** Pixels of the plot. */
  x: number;
  y: number;
  kind: 'estimate' | 'lower_bound' | 'failed';
}

/** The top of the axis: a round number of bits per second above every rate. */
export function ceiling(tests: readonly ThroughputTest[]): number {
  const most = Math.max(1e6, ...tests.map((test) => test.bps ?? 0));
  const power = 10 ** Math.floor(Math.log10(most));
  return (
    [1, 1.5, 2, 3, 5, 7, 10].map((step) => step * power).find((edge) => edge >= most * 1.05) ?? 20 * power
  );
}

export function marksOf(
  tests: readonly ThroughputTest[],
  span: Span,
  top: number,
  width: number,
  height: number,
): Mark[] {
  return tests.map((test) => {
    const atMs = Date.parse(test.at);
    return {
      test,
      atMs,
      x: ((atMs - span.fromMs) / (span.toMs - span.fromMs)) * width,
      y: height - ((test.bps ?? 0) / top) * height,
      kind: test.reading,
    };
  });
}

/** The newest test of each direction that says something, for the line above the chart. */
export function newestOf(tests: readonly ThroughputTest[], direction: string): ThroughputTest | null {
  return tests.findLast((test) => test.direction === direction && test.bps !== null) ?? null;
}
