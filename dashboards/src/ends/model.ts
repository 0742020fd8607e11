// Every way that begins, or ends, at one place: put in order and on one axis. Pure.

import type { Cell } from '../api/model.ts';
import { airySpan, logShare, type Span } from '../draw/scale.ts';
import { isDead } from '../metric.ts';

export const COLUMNS = ['name', 'p50', 'p90', 'p99', 'loss', 'n'] as const;
export type Column = (typeof COLUMNS)[number];

/** One way: the other end's name and what was measured; null when nothing was in this range. */
export interface Way {
  key: string;
  name: string;
  cell: Cell | null;
}

/** Column and direction as the address writes them: `p99`, or `-p99` for the other way. By median when nothing is said. */
export function readSort(text: string | null): { column: Column; reverse: boolean } {
  const reverse = text?.startsWith('-') ?? false;
  const column = COLUMNS.find((one) => one === (reverse ? text!.slice(1) : text));
  return column === undefined ? { column: 'p50', reverse: false } : { column, reverse };
}

function keyOf(way: Way, column: Column): number | string | null {
  const { cell } = way;
  switch (column) {
    case 'name':
      return way.name;
    case 'loss':
      return cell?.loss_ratio == null ? null : -cell.loss_ratio;
    case 'n':
      return cell === null ? null : -cell.n;
    default:
      return cell?.[`${column}_us`] ?? null;
  }
}

/** Best first; of losses the worst. A way without the number stands last, whichever way round: it is not a zero. */
export function sortWays(ways: readonly Way[], column: Column, reverse: boolean): Way[] {
  const sign = reverse ? -1 : 1;
  return ways.toSorted((one, other) => {
    const [a, b] = [keyOf(one, column), keyOf(other, column)];
    if ((a === null) !== (b === null)) return a === null ? 1 : -1;
    // All probes lost is worse than not probed at all.
    const dead = Number(isDead(other.cell)) - Number(isDead(one.cell));
    const order =
      a === null
        ? dead
        : typeof a === 'string'
          ? a.localeCompare(String(b), undefined, { numeric: true })
          : a - (b as number);
    return order !== 0 ? (a === null ? order : sign * order) : one.key < other.key ? -1 : 1;
  });
}

/** The one axis on which all spreads are drawn. */
export function axisOf(ways: readonly Way[]): Span | null {
  return airySpan(ways.flatMap(({ cell }) => [cell?.p50_us ?? 0, cell?.p99_us ?? 0]));
}

/** Where p50 and p99 stand on the axis, 0 to 1. */
export function spreadOf(cell: Cell | null, axis: Span | null): { p50: number; p99: number } | null {
  if (cell?.p50_us == null || cell.p99_us === null || axis === null) return null;
  return { p50: logShare(cell.p50_us, axis), p99: logShare(cell.p99_us, axis) };
}
