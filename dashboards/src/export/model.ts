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
