// The texts of the agent and the zone page; they travel with them.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export const e = texts<keyof typeof en>({ en, fr });
