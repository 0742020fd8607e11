// The texts of the status screen. They travel with it, so that nobody else loads them.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export type StatusKey = keyof typeof en;
const KEYS = new Set(Object.keys(en));
export const s = texts<StatusKey>({ en, fr });

/** A collector of a later release may name what this page has no words for. */
export function hasText(key: string): key is StatusKey {
  return KEYS.has(key);
}
