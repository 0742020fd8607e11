// What the status screen shows, from the collector's answer. Pure. What is good or bad is decided by the collector; here it is
// only put in order, scaled, and cut to a size that people read.

import type { AgentStanding, StatusAnswer } from '../api/model.ts';
import { decimals } from '../numbers/delay.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes with three digits: 812 B, 1.25 MiB, 40.1 GiB. */
export function bytes(n: number | null, locale: string): string {
  if (n === null) return '–';
  let [value, unit] = [n, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${decimals(value, digits, locale)} ${UNITS[unit]}`;
}

export type SpanUnit = 's' | 'min' | 'h' | 'd';

/** A span in the unit in which people would say it. */
export function span(seconds: number): { n: number; unit: SpanUnit } {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return { n: whole, unit: 's' };
  if (whole < 7_200) return { n: Math.floor(whole / 60), unit: 'min' };
  if (whole < 172_800) return { n: Math.floor(whole / 3_600), unit: 'h' };
  return { n: Math.floor(whole / 86_400), unit: 'd' };
}

/** A share of a bound, 0 to 1; what something takes of nothing is 0. */
export function share(value: number, most: number): number {
  return most > 0 ? Math.min(1, Math.max(0, value / most)) : 0;
}

/** The ends of the commit-time scale, in microseconds: from a fast disk to one that keeps agents waiting. */
export const COMMIT_SCALE_US = [100, 10_000_000] as const;

/** Where a commit time stands on the logarithmic scale, 0 to 1. */
export function commitPosition(us: number): number {
  const [low, high] = COMMIT_SCALE_US.map(Math.log10) as [number, number];
  return Math.min(1, Math.max(0, (Math.log10(Math.max(1, us)) - low) / (high - low)));
}

export interface Slice {
  key: string;
  bytes: number;
  share: number;
}

/** What the disk holds, in the order in which it is drawn: the store by tier, what is not ours, what is free. */
export function slices(store: StatusAnswer['store']): Slice[] {
  const total = store.total_bytes ?? store.disk_bytes;
  const others = store.total_bytes === null ? 0 : total - (store.free_bytes ?? 0) - store.disk_bytes;
  const all: [string, number][] = [
    ...store.tiers.map((tier): [string, number] => [tier.tier, tier.bytes]),
    ['hot', store.hot_bytes],
    ['others', Math.max(0, others)],
    ['free', store.free_bytes ?? 0],
  ];
  return all.map(([key, of]) => ({ key, bytes: of, share: share(of, total) }));
}

export const COLUMNS = ['agent', 'state', 'silent', 'skew', 'late', 'version'] as const;
export type Column = (typeof COLUMNS)[number];
const STATES: Record<string, number> = { offline: 0, stale: 1, live: 2 };

function keyOf(agent: AgentStanding, column: Column): number | string {
  switch (column) {
    case 'agent':
      return agent.name;
    case 'state':
      return STATES[agent.state] ?? 3;
    case 'silent':
      return -agent.silent_s;
    case 'skew':
      return -Math.abs(agent.clock_skew_ms);
    case 'late':
      return -(agent.send_lateness_p99_us ?? -1);
    case 'version':
      return agent.version;
  }
}

/** Agents by one column, what needs attention first; `reverse` the other way. Without a column as the collector gave them. */
export function sortAgents(
  agents: readonly AgentStanding[],
  column: Column | null,
  reverse: boolean,
): AgentStanding[] {
  if (column === null) return [...agents];
  const sign = reverse ? -1 : 1;
  return agents.toSorted((one, other) => {
    const [a, b] = [keyOf(one, column), keyOf(other, column)];
    const order =
      typeof a === 'string' ? a.localeCompare(String(b), undefined, { numeric: true }) : a - (b as number);
    return order !== 0 ? sign * order : one.agent.localeCompare(other.agent);
  });
}

/** Column and direction as the address writes them: `skew`, or `-skew` for the other way. */
export function readSort(text: string | null): { column: Column | null; reverse: boolean } {
  const reverse = text?.startsWith('-') ?? false;
  const name = reverse ? text!.slice(1) : text;
  const column = COLUMNS.find((one) => one === name) ?? null;
  return { column, reverse: reverse && column !== null };
}

/** Not a fault of anyone: what was settled before, and a manifest that is asked for. */
export function isNormal(refusal: StatusAnswer['refusals'][number]): boolean {
  return refusal.kind === 'item' && ['duplicate', 'manifest_wanted'].includes(refusal.subject);
}
