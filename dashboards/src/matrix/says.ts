// What a cell of the matrix says, in the cell and to assistive technology: a number with its sign where it is held against an earlier
// window, a word where there is none. Not how it is coloured: that is the table's.

import type { Agent, Zone } from '../api/model.ts';
import { t } from '../i18n/text.svelte.ts';
import { cellValue, isDead, isDelay, isRate, samplesOf, shortValue, unitOf, valueOf } from '../metric.ts';
import { count, decimals } from '../numbers/delay.ts';
import { preferences } from '../shell/preferences.svelte.ts';
import type { Metric } from '../url/state.ts';
import { x } from './messages.ts';
import type { MatrixCell } from './model.ts';

/** A difference with its sign; of one too small to be written, a plain zero. */
export function signed(by: number | null, metric: Metric): string {
  if (by === null) return '–';
  const locale = preferences.language;
  // Two decimals at most: a difference of microseconds is no news, and the cell is narrow.
  const size = Math.abs(by);
  const text =
    isDelay(metric) && size < 995 ? decimals(size / 1000, 2, locale) : shortValue(size, metric, locale);
  return /[1-9]/.test(text) ? `${by < 0 ? '−' : '+'}${text}` : '0';
}

export const sureWord = (sure: boolean | null): string =>
  x(sure === null ? 'unjudged' : sure ? 'sure' : 'unsure');

export function cellText(one: MatrixCell | null, metric: Metric): string {
  if (one === null) return '';
  if (one.difference && !isDead(one.cell)) return signed(one.difference.by, metric);
  if (isDelay(metric) && isDead(one.cell)) return t('lost_word');
  if (one.value === null && isRate(metric)) return '';
  return cellValue(one.cell, metric, preferences.language);
}

/** The whole of it in words: which pair, what, of how many. */
export function cellLabel(agent: Agent, zone: Zone, one: MatrixCell | null, metric: Metric): string {
  const locale = preferences.language;
  const pair = `${agent.vantage_point.name}, ${zone.provider_name ?? zone.provider} ${zone.zone_id}`;
  if (one === null) return `${pair}: ${t('no_data')}`;
  if (one.value === null) return `${pair}: ${cellText(one, metric) || t('no_data')}, n = 0`;
  const few = one.few ? `, ${t('few_word')}` : '';
  if (one.difference) {
    const { by, before, sure } = one.difference;
    return (
      x('cell', {
        pair,
        change: signed(by, metric),
        unit: unitOf(metric),
        before: shortValue(valueOf(before, metric), metric, locale),
        after: shortValue(one.value, metric, locale),
        sure: sureWord(sure),
        n: count(one.cell.n, locale),
      }) + few
    );
  }
  return `${pair}: ${cellValue(one.cell, metric, locale)} ${unitOf(metric)}, n = ${count(samplesOf(one.cell, metric), locale)}${few}`;
}
