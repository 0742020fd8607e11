// The texts of the screens about alerts, and the ways they write values, times and spans. They travel with the screens.

import type { Agent, Alert, Incident, Zone } from '../api/model.ts';
import { localTimeZone } from '../clock.svelte.ts';
import { formatDay, formatTime } from '../draw/time_axis.ts';
import { texts } from '../i18n/text.svelte.ts';
import { decimals } from '../numbers/delay.ts';
import { preferences } from '../shell/preferences.svelte.ts';
import { location } from '../url/location.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';
import { digitsOf, moveOf, spanOf } from './model.ts';

export type AlertKey = keyof typeof en;
const KEYS = new Set(Object.keys(en));
export const a = texts<AlertKey>({ en, fr });

/** The words for a value of the API, or the value itself when it is of a later release. */
export function wordFor(key: string, value: string): string {
  return KEYS.has(key) ? a(key as AlertKey) : value;
}

export function timeZone(): string {
  return location.view.clock === 'utc' ? 'UTC' : localTimeZone();
}

/** The time of day, with its date unless it is `nowMs`'s. */
export function when(at: string | null | undefined, nowMs: number): string {
  if (at == null) return '–';
  const [ms, zone, locale] = [Date.parse(at), timeZone(), preferences.language];
  const day = formatDay(ms, zone, locale);
  const time = formatTime(ms, zone, locale, false);
  return day === formatDay(nowMs, zone, locale) ? time : `${day} ${time}`;
}

export function spanText(ms: number): string {
  const { n, unit } = spanOf(ms);
  return a(`span_${unit}`, { n });
}

/** A number and its unit. */
export function valueText(value: number | null | undefined, unit: string | null | undefined): string {
  if (value == null) return '–';
  if (unit === 's') return spanText(value * 1000);
  const text = decimals(value, unit === 'probes' ? 0 : digitsOf(value), preferences.language);
  switch (unit) {
    case 'ms':
      return `${text}\u00a0ms`;
    case 'percent':
      return `${text}\u00a0%`;
    case 'mbps':
      return `${text}\u00a0Mbit/s`;
    case 'burn':
      return a('times', { n: text });
    case 'probes':
      return a('probes', { n: text });
    default:
      return unit == null ? text : `${text}\u00a0${unit}`;
  }
}

/** By how much it moved, signed; empty when that says nothing. */
export function moveText(alert: Alert): string {
  const unit = alert.unit ?? '';
  if (unit === 'burn' || unit === 's') return '';
  const move = moveOf(alert.before, alert.value, unit);
  if (move === null) return '';
  const amount = Math.abs(move.kind === 'ratio' ? move.by * 100 : move.by);
  const sign = move.by < 0 ? '−' : '+';
  const text = sign + decimals(amount, move.kind === 'ratio' ? 0 : digitsOf(amount), preferences.language);
  return move.kind === 'ratio' ? `${text}\u00a0%` : a('points', { n: text });
}

export function measureText(alert: Alert): string {
  return wordFor(`measure_${alert.measure}`, alert.measure);
}

export interface Ends {
  from: string;
  to: string;
}

/** The ends of an alert's series as people name them; their ids where nothing better is known. */
export function endsOf(alert: Pick<Alert, 'series'>, agents: readonly Agent[], zones: readonly Zone[]): Ends {
  const { agent, zone, target } = alert.series;
  const known = zones.find((one) => one.zone === zone);
  return {
    from: agents.find((one) => one.agent === agent)?.vantage_point.name ?? agent ?? '–',
    to: known ? `${known.provider_name ?? known.provider} ${known.zone_id}` : (zone ?? target ?? '–'),
  };
}

/** Who is to blame, in words: all that goes to a zone, all from a vantage point, a vantage point that ails itself. */
export function culpritText(incident: Incident, agents: readonly Agent[], zones: readonly Zone[]): string {
  const { label, value, sickness } = incident.culprit;
  const kinds = incident.kinds.map((kind) => wordFor(`kind_${kind}`, kind)).join(', ');
  const ends = endsOf({ series: { [label]: value } }, agents, zones);
  const name = label === 'zone' ? ends.to : label === 'agent' ? ends.from : value;
  if (sickness) return vetoText(value, sickness, agents);
  const key = `culprit_${label}`;
  const what = KEYS.has(key) ? a(key as AlertKey, { name }) : `${label} ${name}`;
  return `${what}: ${kinds}`;
}

/** A vantage point and what ails it. */
export function vetoText(agent: string, sickness: string, agents: readonly Agent[]): string {
  const name = agents.find((one) => one.agent === agent)?.vantage_point.name ?? agent;
  return `${name} (${wordFor(`sickness_${sickness}`, sickness)})`;
}
