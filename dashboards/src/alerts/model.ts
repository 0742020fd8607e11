// Alerts before they are drawn: what is shown of them and in which order, what a change comes to, what a silence covers. Pure;
// the present is the collector's, handed in.

import type { Alert, Silence } from '../api/model.ts';
import { readable } from '../url/checks.ts';

export const SHOWN = ['now', 'over', 'all'] as const;
export type Shown = (typeof SHOWN)[number];
export const SEVERITIES = ['critical', 'warning', 'info'] as const;

/** What the address asks for; what it does not know, it leaves at everything that goes on now. */
export interface Filter {
  show: Shown;
  severity: string | null;
  rule: string | null;
  /** Words that must all occur in the names of the alert's rule, ends or labels. */
  words: string[];
}

export function readFilter(query: URLSearchParams): Filter {
  const show = SHOWN.find((one) => one === query.get('show')) ?? 'now';
  return {
    show,
    severity: readable(query, 'severity'),
    rule: query.get('rule'),
    words: (query.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean),
  };
}

const ORDER = ['firing', 'recovering', 'pending', 'resolved', 'inactive'];
const rank = (list: readonly string[], word: string | null | undefined): number => {
  const at = list.indexOf(word ?? '');
  return at < 0 ? list.length : at;
};

/** When the reader would say that it began. */
export function beganAt(alert: Alert): string | null {
  return alert.regressed_at ?? alert.fired_at ?? alert.since ?? null;
}

/** Firing first, then by severity, then the latest first; the id settles the rest, so that rows do not dance. */
export function sortAlerts(alerts: readonly Alert[]): Alert[] {
  return alerts.toSorted(
    (a, b) =>
      rank(ORDER, a.state) - rank(ORDER, b.state) ||
      rank(SEVERITIES, a.severity) - rank(SEVERITIES, b.severity) ||
      (beganAt(b) ?? '').localeCompare(beganAt(a) ?? '') ||
      (a.id < b.id ? -1 : 1),
  );
}

export function isOpen(alert: Pick<Alert, 'state'>): boolean {
  return alert.state === 'firing' || alert.state === 'recovering';
}

/** `namesOf` gives the words by which a person knows the ends of an alert, beside its labels. */
export function chosen(
  alerts: readonly Alert[],
  filter: Filter,
  namesOf: (alert: Alert) => readonly string[],
): Alert[] {
  return sortAlerts(alerts).filter((alert) => {
    const over = alert.state === 'resolved' || alert.state === 'inactive';
    if (filter.show !== 'all' && over !== (filter.show === 'over')) return false;
    if (filter.severity !== null && alert.severity !== filter.severity) return false;
    if (filter.rule !== null && alert.rule !== filter.rule) return false;
    if (filter.words.length === 0) return true;
    const text = [alert.rule, alert.measure, ...Object.values(alert.series), ...namesOf(alert)]
      .join(' ')
      .toLowerCase();
    return filter.words.every((word) => text.includes(word));
  });
}

/** How a value stands to the one before: by what share of it, or, when it is itself a share, by how many points. */
export type Move = { kind: 'ratio'; by: number } | { kind: 'points'; by: number };

export function moveOf(
  before: number | null | undefined,
  value: number | null | undefined,
  unit: string,
): Move | null {
  if (before == null || value == null) return null;
  if (unit === 'percent') return { kind: 'points', by: value - before };
  return before > 0 ? { kind: 'ratio', by: value / before - 1 } : null;
}

/** Digits after the point that keep three significant ones. */
export function digitsOf(value: number): number {
  const size = Math.abs(value);
  return size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
}

/** Where a culprit has a page of its own. */
export function culpritLink(culprit: {
  label: string;
  value: string;
}): { path: '/zone' | '/agent'; change: Record<string, string | null> } | null {
  if (culprit.label === 'zone') return { path: '/zone', change: { zone: culprit.value, agent: null } };
  if (culprit.label === 'agent') return { path: '/agent', change: { agent: culprit.value } };
  return null;
}

/** The others that the same incident speaks for. */
export function membersOf(alerts: readonly Alert[], alert: Alert): Alert[] {
  if (alert.incident == null) return [];
  return sortAlerts(alerts.filter((one) => one.id !== alert.id && one.incident === alert.incident));
}

export const SCOPES = ['series', 'zone', 'agent', 'rule'] as const;
export type Scope = (typeof SCOPES)[number];
const LABELS_OF: Record<Scope, readonly string[]> = {
  series: ['agent', 'zone', 'method'],
  zone: ['zone'],
  agent: ['agent'],
  rule: [],
};

export interface SilenceRequest {
  select: Record<string, string[]>;
  rule?: string;
  until: string;
  by: string;
  comment: string;
}

/** The silence of an alert and those like it. A scope whose labels the alert lacks would silence too much: null. */
export function silenceOf(
  alert: Alert,
  scope: Scope,
  said: { until: string; by: string; comment: string },
): SilenceRequest | null {
  const select: Record<string, string[]> = {};
  for (const label of LABELS_OF[scope]) {
    const value = alert.series[label];
    if (value === undefined) return null;
    select[label] = [value];
  }
  const rule = scope === 'series' || scope === 'rule' ? { rule: alert.rule } : {};
  return { select, ...rule, ...said };
}

const SILENCE_ORDER = ['active', 'pending', 'expired'];

/** In force first, then to come, then over; the one that ends first stands first. */
export function sortSilences(silences: readonly Silence[]): Silence[] {
  return silences.toSorted(
    (a, b) =>
      rank(SILENCE_ORDER, a.state) - rank(SILENCE_ORDER, b.state) ||
      a.until.localeCompare(b.until) ||
      a.id - b.id,
  );
}

/** Evaluation runs a minute and a quarter behind, once a minute; further behind than this, it has fallen back. */
const LATE_MS = 5 * 60_000;

/** By how much the evaluation has fallen back, in milliseconds; null when it keeps up, or has not begun. */
export function behindMs(nowAt: string, evaluatedTo: string | null | undefined): number | null {
  if (evaluatedTo == null) return null;
  const behind = Date.parse(nowAt) - Date.parse(evaluatedTo);
  return behind > LATE_MS ? behind : null;
}

export type SpanUnit = 's' | 'min' | 'h' | 'd';

/** A span in the unit in which people would say it. */
export function spanOf(ms: number): { n: number; unit: SpanUnit } {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return { n: seconds, unit: 's' };
  if (seconds < 7_200) return { n: Math.floor(seconds / 60), unit: 'min' };
  if (seconds < 172_800) return { n: Math.floor(seconds / 3_600), unit: 'h' };
  return { n: Math.floor(seconds / 86_400), unit: 'd' };
}
