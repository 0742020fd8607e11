// The texts of the comparison; they travel with it.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export const c = texts<keyof typeof en>({ en, fr });
