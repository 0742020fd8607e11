// The texts of snapshots; they travel with them.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export const s = texts<keyof typeof en>({ en, fr });
