// A view to take away: its questions as commands for a shell, its tables as CSV addresses. Pure. Times are made absolute, so
// that the command answers the same tomorrow.

import { formatInstant, parseInstant } from '../url/time.ts';

const TIMES = ['from', 'to', 'baseline_from', 'baseline_to'];
/** Questions the collector also answers as CSV. */
const AS_CSV = /^\/api\/v1\/(map|groups|compare)\?/;

/** The question with every time as an instant; it may end `now`, and says so by leaving `to` out. */
export function fixed(url: string, nowMs: number): string {
  const [path, text = ''] = url.split('?') as [string, string?];
  const query = new URLSearchParams(text);
  for (const name of TIMES) {
    const value = query.get(name);
    const at = value === null ? null : parseInstant(value, nowMs);
    if (at !== null) query.set(name, formatInstant(at));
  }
  const asked = query.toString().replaceAll('%2F', '/').replaceAll('%3A', ':');
  return asked === '' ? path : `${path}?${asked}`;
}

/** One argument of a POSIX shell, whatever it holds. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function curlOf(origin: string, urls: readonly string[], nowMs: number): string {
  return urls.map((url) => `curl ${quoted(origin + fixed(url, nowMs))}`).join('\n');
}

/** Where the same rows are had as CSV; null where they are not. */
export function csvOf(url: string, nowMs: number): string | null {
  return AS_CSV.test(url) ? `${fixed(url, nowMs)}&format=csv` : null;
}

/** Labels by which the series of a question are chosen, the same for an export. */
const LABELS = [
  'agent',
  'city',
  'country',
  'network',
  'provider',
  'region',
  'zone',
  'metro',
  'method',
  'load',
  'flow',
];
/** Questions about series over a stretch of time. */
const OF_SERIES = /^\/api\/v1\/(map|groups|compare|series|heatmap|distribution)\?/;

/** Where the series behind a question are had one by one, as CSV or as HdrHistogram logs; null where there are none. */
export function exportOf(url: string, format: 'csv' | 'hlog', nowMs: number): string | null {
  if (!OF_SERIES.test(url)) return null;
  const asked = new URLSearchParams(fixed(url, nowMs).split('?')[1]);
  const query = new URLSearchParams({ format });
  for (const name of ['from', 'to', 'step']) {
    const value = asked.get(name);
    if (value !== null) query.set(name, value);
  }
  for (const name of LABELS) for (const value of asked.getAll(name)) query.append(name, value);
  return `/api/v1/export?${query.toString().replaceAll('%2F', '/').replaceAll('%3A', ':')}`;
}

/** The exports of a view: one for each choice of series, whatever the screen asks of them; the longest question wins. */
export function exportsOf(urls: readonly string[], nowMs: number): { csv: string; hlog: string } | null {
  const asked = urls.filter((url) => OF_SERIES.test(url));
  // A pair asks the same of its series in several ways; the one with a step makes the export as coarse as the screen.
  const best = asked.find((url) => url.includes('step=')) ?? asked[0];
  if (best === undefined) return null;
  return { csv: exportOf(best, 'csv', nowMs)!, hlog: exportOf(best, 'hlog', nowMs)! };
}

/** What a snapshot can hold of what is asked. */
const KEPT =
  /^\/api\/v1\/(agents|zones|map|groups|compare|series|heatmap|explain|distribution|paths|alerts|incidents|rules|silences)(\?|$)/;

/** What has to be asked to keep a view: each question once, at absolute times. */
export function toKeep(urls: readonly string[], nowMs: number): string[] {
  return [...new Set(urls.filter((url) => KEPT.test(url)).map((url) => fixed(url, nowMs)))];
}

/** What a question is about, for a list and a file name: `map`, `compare`. */
export function nameOf(url: string): string {
  return /^\/api\/v1\/(\w+)/.exec(url)?.[1] ?? 'view';
}

/** A name that every file system takes. */
export function fileName(parts: readonly string[], ending: string): string {
  const stem = parts
    .join('_')
    .normalize('NFKD')
    .replace(/[^\w.-]+/g, '_')
    .replace(/_{2,}/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 100);
  return `azimuth_${stem}.${ending}`;
}
