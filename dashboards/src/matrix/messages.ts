// The texts of the matrix that no other screen needs.

import { texts } from '../i18n/text.svelte.ts';
import en from './messages/en.json';
import fr from './messages/fr.json';

export const x = texts<keyof typeof en>({ en, fr });
