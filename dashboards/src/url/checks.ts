// Whether what stands in an address can be read: one line a parameter. Pure. What cannot be read is left out, as if it were not there,
// and said; a name that can be read but is nobody's is said too, and left to the screen, which may know what to show instead.
// Parameters that are not in the list belong to somebody else and are no fault.

import { readZoom } from '../map/zoom.ts';
import { parseInstant } from './time.ts';
import { LOADS, METHODS, METRICS, VERSUS } from './words.ts';

type Check = (text: string) => boolean;

const oneOf =
  (list: readonly string[]): Check =>
  (text) =>
    list.includes(text);
const isNumber =
  (least: number, most: number): Check =>
  (text) =>
    /^\d+(\.\d+)?$/.test(text) && Number(text) >= least && Number(text) <= most;
const isInstant: Check = (text) => parseInstant(text, 0) !== null;
const isWhole = (most: number): Check => {
  const within = isNumber(0, most);
  return (text) => /^\d+$/.test(text) && within(text);
};
const isCountry: Check = (text) => /^[A-Z]{2}$/.test(text);
const isZone: Check = (text) => text.split('/').length === 3 && text.split('/').every((part) => part !== '');
const COLUMN = /^-?(agent|state|silent|skew|late|version|name|p50|p90|p99|loss|n)$/;

/** Without a line: what any text is (agent, find, filters), and what its screen says itself (zone, vantage, of, panel). */
export const CHECKS: Record<string, Check> = {
  from: isInstant,
  to: isInstant,
  metric: oneOf(METRICS),
  method: oneOf(METHODS),
  load: oneOf(LOADS),
  flow: isWhole(65_535),
  list: oneOf(['zone', 'metro']),
  map: (text) => readZoom(text) !== null,
  group: oneOf(['provider', 'metro', 'country']),
  rows: oneOf(['none', 'country', 'network']),
  vs: oneOf(VERSUS),
  country: isCountry,
  sort: (text) => text === 'name' || text === 'typical' || isZone(text),
  in: isCountry,
  owner: isCountry,
  by: (text) => COLUMN.test(text),
  show: oneOf(['now', 'over', 'all']),
  severity: oneOf(['critical', 'warning', 'info']),
  clock: oneOf(['utc', 'local']),
  refresh: isNumber(0, 3600),
  theme: oneOf(['auto', 'light', 'dark']),
  contrast: oneOf(['auto', 'more']),
  lang: oneOf(['en', 'fr']),
};

/** The first value of a parameter, if it can be read. */
export function readable(query: URLSearchParams, name: string): string | null {
  const value = query.get(name);
  const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
  return value === null || value === '' || (check !== undefined && !check(value)) ? null : value;
}

export interface Dropped {
  name: string;
  /** As it stands in the address. */
  value: string;
}

/** Longer than this it is no help to repeat it. */
const MOST = 40;
const short = (value: string): string => (value.length > MOST ? `${value.slice(0, MOST)}…` : value);

/** Names that exist, by parameter; absent where they are not known yet. */
export type Known = Record<string, ReadonlySet<string>>;

/**
 * What of an address is left out or is nobody's, in its order. `means` says which parameters mean something on this screen;
 * a rectangle is judged apart, because half of one can be kept.
 */
export function droppedOf(
  query: URLSearchParams,
  means: (name: string) => boolean,
  known: Known,
  box: readonly string[],
): Dropped[] {
  const dropped: Dropped[] = [];
  const seen = new Set<string>();
  for (const [name, value] of query) {
    if (!means(name) || value === '') continue;
    if (seen.has(name)) {
      if (Object.hasOwn(CHECKS, name) || Object.hasOwn(known, name))
        dropped.push({ name, value: short(value) });
      continue;
    }
    seen.add(name);
    const unread = Object.hasOwn(CHECKS, name) && !CHECKS[name]!(value);
    const nobody = Object.hasOwn(known, name) && !known[name]!.has(value);
    if (unread || nobody) dropped.push({ name, value: short(value) });
    if (name === 'box') for (const part of box) dropped.push({ name, value: short(part) });
  }
  return dropped;
}
