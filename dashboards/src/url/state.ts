// What a screen shows, written in the query string: reading it, changing it, and keeping what this version does not know.
// Pure; the History API lives in location.svelte.ts. Unknown parameters survive every change, so that a link made by a newer
// version, or tagged by another tool, is not damaged by passing through this one.

import { readable } from './checks.ts';
import { formatInstant, isLive, parseInstant, type TimeRange } from './time.ts';
import { VERSUS, type Metric, type Versus } from './words.ts';

export { LOADS, METRICS, VERSUS, type Metric, type Versus } from './words.ts';

export const SCREENS = {
  '/': 'map',
  '/matrix': 'matrix',
  '/pair': 'pair',
  '/agent': 'agent',
  '/zone': 'zone',
  '/compare': 'compare',
  '/alerts': 'alerts',
  '/alert': 'alert',
  '/status': 'status',
  '/settings': 'settings',
} as const;
export type Screen = (typeof SCREENS)[keyof typeof SCREENS] | 'unknown';

export function screenOf(pathname: string): Screen {
  const path = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  return SCREENS[path as keyof typeof SCREENS] ?? 'unknown';
}

export interface ViewState {
  range: TimeRange;
  metric: Metric;
  method: string;
  load: string;
  /** One flow of a pair; null for all, merged. */
  flow: string | null;
  agent: string | null;
  zone: string | null;
  metro: string | null;
  /** A group of vantage points to look from: `all`, `country:FR`, `network:AS3215`, `city:Paris`. */
  vantage: string | null;
  /** How the ranked list stands: zone by zone, or gathered by metro. */
  list: 'zone' | 'metro';
  group: 'provider' | 'metro' | 'country';
  /** How the rows of the matrix are gathered. */
  rows: 'none' | 'country' | 'network';
  /** How much earlier the window is that the matrix is held against; null for none. */
  versus: Versus | null;
  country: string | null;
  network: string | null;
  sort: string;
  agentFilter: string;
  zoneFilter: string;
  clock: 'utc' | 'local';
  /** Seconds between refreshes of a live range; 0 holds the screen still. */
  refreshS: number;
}

const DEFAULT_FROM: Record<Screen, string> = {
  map: 'now-5m',
  matrix: 'now-5m',
  pair: 'now-1h',
  agent: 'now-1h',
  zone: 'now-1h',
  compare: 'now-1h',
  alerts: 'now-5m',
  alert: 'now-5m',
  status: 'now-5m',
  settings: 'now-5m',
  unknown: 'now-5m',
};
const REFRESH_S = 10;

/** The range asked for. A start that cannot be read, or is missing, before an end that is fixed: the screen's own stretch up to it. */
function rangeOf(screen: Screen, query: URLSearchParams): TimeRange {
  const [from, to] = [readable(query, 'from'), readable(query, 'to') ?? 'now'];
  if (from !== null) return { from, to };
  const natural = DEFAULT_FROM[screen];
  const end = isLive({ from: natural, to }) ? null : parseInstant(to, Number.NaN);
  if (end === null || Number.isNaN(end)) return { from: natural, to };
  return { from: formatInstant(parseInstant(natural, end)!), to };
}

/** What cannot be read is as if it were not there; `droppedOf` says what that is. */
export function readState(screen: Screen, query: URLSearchParams): ViewState {
  const read = (name: string): string | null => readable(query, name);
  const word = <T extends string>(name: string, fallback: T): T => (read(name) as T | null) ?? fallback;
  return {
    range: rangeOf(screen, query),
    metric: word('metric', 'p50'),
    method: word('method', 'stamp'),
    load: word('load', 'idle'),
    flow: read('flow'),
    agent: query.get('agent'),
    zone: query.get('zone'),
    metro: query.get('metro'),
    vantage: query.get('vantage'),
    list: word('list', 'zone'),
    group: word('group', 'provider'),
    rows: word('rows', 'none'),
    versus: VERSUS.find((one) => one === read('vs')) ?? null,
    country: read('country'),
    network: query.get('network'),
    sort: word('sort', 'name'),
    agentFilter: query.get('agents') ?? '',
    zoneFilter: query.get('zones') ?? '',
    clock: word('clock', 'local'),
    refreshS: Number(read('refresh') ?? REFRESH_S),
  };
}

/** A parameter to write; null or an empty string removes it. */
export type Changes = Record<string, string | null>;

/** The query with some parameters changed and every other one, known or not, as it was. */
export function changeQuery(query: URLSearchParams, changes: Changes): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') next.delete(name);
    else next.set(name, value);
  }
  return next;
}

/** Readable form: these are allowed in a query (RFC 3986), and zone names, times, lists and rectangles are full of them. */
export function formatQuery(query: URLSearchParams): string {
  const plain: Record<string, string> = { '%2F': '/', '%3A': ':', '%2C': ',', '%7E': '~' };
  const text = query.toString().replace(/%(2F|3A|2C|7E)/g, (code) => plain[code]!);
  return text === '' ? '' : `?${text}`;
}

/** Parameters that mean something on some screens only, and would clutter the address of another. */
const ONLY_ON: Record<string, readonly string[]> = {
  zone: ['/pair', '/zone'],
  flow: ['/pair'],
  box: ['/pair'],
  metro: ['/'],
  vantage: ['/'],
  list: ['/'],
  map: ['/'],
  group: ['/matrix'],
  rows: ['/matrix'],
  sort: ['/matrix'],
  agents: ['/matrix'],
  zones: ['/matrix'],
  country: ['/matrix'],
  network: ['/matrix'],
  vs: ['/matrix'],
  of: ['/compare'],
  in: ['/compare'],
  owner: ['/compare'],
  qualified: ['/compare'],
  by: ['/status', '/agent', '/zone'],
  show: ['/alerts', '/alert'],
  severity: ['/alerts', '/alert'],
  rule: ['/alerts', '/alert'],
  q: ['/alerts', '/alert'],
  id: ['/alert'],
  find: ['/settings'],
};

/** Whether a parameter means something on a screen; one that no screen keeps for itself means something on all. */
export function meansOn(screen: Screen, name: string): boolean {
  const only = Object.hasOwn(ONLY_ON, name) ? ONLY_ON[name] : undefined;
  return only === undefined || only.some((path) => screenOf(path) === screen);
}

/**
 * The address of another screen. A fixed range is kept, because it is evidence; a live one is dropped so that the other
 * screen starts with its own natural window.
 */
export function linkTo(path: string, query: URLSearchParams, changes: Changes = {}): string {
  const dropped: Changes = Object.fromEntries(
    Object.entries(ONLY_ON)
      .filter(([, screens]) => !screens.includes(path))
      .map(([name]) => [name, null]),
  );
  const live = isLive({ from: query.get('from') ?? '', to: query.get('to') ?? 'now' });
  if (live) Object.assign(dropped, { from: null, to: null });
  return path + formatQuery(changeQuery(query, { ...dropped, ...changes }));
}
