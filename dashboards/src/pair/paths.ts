// Changes of path before they are drawn: marks on the time axis, and the hops before and after side by side. Pure.

import type { PathHopView, PathsAnswer } from '../api/model.ts';
import type { TimeSpan } from './model.ts';

export interface PathMark {
  /** Unique among the marks of a page. */
  id: string;
  atMs: number;
  target: string;
  method: string;
  reason: 'scheduled' | 'delay_shift';
  hops: HopRow[];
}

export interface HopRow {
  hop: number;
  before: string;
  after: string;
  beforeUs: number | null;
  afterUs: number | null;
  differs: boolean;
}

/** A hop that nobody answered at, and a hop that is not there. */
export const SILENT = '*';
export const NONE = '–';

/** Every change in the span, oldest first. */
export function pathMarks(answer: PathsAnswer, span: TimeSpan): PathMark[] {
  const marks = answer.targets.flatMap((target) =>
    target.changes.map((change) => {
      const count = Math.max(change.before.hops.length, change.after.hops.length);
      const hops = Array.from({ length: count }, (_, index): HopRow => {
        const [before, after] = [change.before.hops[index], change.after.hops[index]];
        return {
          hop: index + 1,
          before: named(before),
          after: named(after),
          beforeUs: before?.median_us ?? null,
          afterUs: after?.median_us ?? null,
          differs: change.differs_at.includes(index + 1),
        };
      });
      return {
        id: `${target.target} ${target.method} ${change.at}`,
        atMs: Date.parse(change.at),
        target: target.target,
        method: target.method,
        reason: change.reason,
        hops,
      };
    }),
  );
  return marks
    .filter((mark) => mark.atMs >= span.fromMs && mark.atMs <= span.toMs)
    .sort((one, other) => one.atMs - other.atMs);
}

function named(hop: PathHopView | undefined): string {
  if (hop === undefined) return NONE;
  return hop.addresses.length === 0 ? SILENT : hop.addresses.join(', ');
}
