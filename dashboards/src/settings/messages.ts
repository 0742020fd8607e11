// The texts of the settings; they travel with them.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export const g = texts<keyof typeof en>({ en, fr });
