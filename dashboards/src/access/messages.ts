// The texts about logging in. They travel with its screen, so that nobody else loads them.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export type AccessKey = keyof typeof en;
export const w = texts<AccessKey>({ en, fr });
