// Looking back over the matrix: the windows before the one shown, one frame each, fetched as CSV because it is a quarter of the JSON.
// Pure: which windows, reading one, and what of it is kept. Only the chosen number of each pair is kept, as one number.

import type { Metric } from '../url/state.ts';
import { formatInstant, type TimeRange } from '../url/time.ts';

export const FRAMES = 24;

/** The windows, oldest first; the last ends where the shown one does, on the 10 s grid. */
export function frameRanges(fromMs: number, toMs: number): TimeRange[] {
  const grid = 10_000;
  const end = Math.floor(toMs / grid) * grid;
  const length = Math.max(grid, Math.round((toMs - fromMs) / grid) * grid);
  return Array.from({ length: FRAMES }, (_, i) => {
    const back = FRAMES - 1 - i;
    return {
      from: formatInstant(end - (back + 1) * length),
      to: formatInstant(end - back * length),
    };
  });
}

/** The fields of one line of RFC 4180. */
function fieldsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  for (const found of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g))
    fields.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
  return fields;
}

/** Of each pair, keyed by agent, a line feed and zone, the chosen number: microseconds or a ratio. Null for a text that is no such table. */
export function readFrame(csv: string, metric: Metric): Map<string, number> | null {
  const lines = csv.split(/\r?\n/);
  const head = fieldsOf(lines[0] ?? '');
  const column = head.indexOf(metric === 'loss' ? 'loss_ratio' : `${metric}_us`);
  const [agent, zone] = [head.indexOf('agent'), head.indexOf('zone')];
  if (column < 0 || agent < 0 || zone < 0) return null;
  const values = new Map<string, number>();
  for (const line of lines.slice(1)) {
    const fields = fieldsOf(line);
    const text = fields[column];
    if (text === undefined || text === '') continue;
    values.set(`${fields[agent]}\n${fields[zone]}`, Number(text));
  }
  return values;
}
