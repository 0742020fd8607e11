// The texts of the overview that no other screen needs, and the names of groups.

import type { Agent } from '../api/model.ts';
import { segmentsOf, type Segment } from '../i18n/messages.ts';
import { texts } from '../i18n/text.svelte.ts';
import { count } from '../numbers/delay.ts';
import { preferences } from '../shell/preferences.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';
import type { Group } from './vantage.ts';

type OverviewKey = keyof typeof en;
export const m = texts<OverviewKey>({ en, fr });

export function mParts(key: OverviewKey): Segment[] {
  return segmentsOf<OverviewKey>({ en, fr }, preferences.language, key);
}

/** A country's name in the reader's language; the code itself when it is none. */
export function countryName(code: string): string {
  try {
    return new Intl.DisplayNames([preferences.language], { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}

function bareName(group: Group): string {
  const [first] = group.agents as [Agent, ...Agent[]];
  if (group.scope === 'country') return countryName(group.value);
  return group.scope === 'network' ? first.vantage_point.network : group.value;
}

/** As it stands in a sentence. */
export function groupName(group: Group): string {
  const n = count(group.agents.length, preferences.language);
  return group.scope === 'all' ? m('all_in_sentence', { n }) : m('from_group', { name: bareName(group), n });
}

/** The same for a list of choices. */
export function groupChoice(group: Group): string {
  const n = count(group.agents.length, preferences.language);
  return group.scope === 'all' ? m('from_all', { n }) : m('group', { name: bareName(group), n });
}
