// Texts of the screens: flat JSON, one file per language, every key checked by the compiler in both. The texts of a screen
// that is loaded when it is opened lie beside it and travel with it. Pure; which language is shown is a preference.

import en from './en.json';
import fr from './fr.json';

export type Key = keyof typeof en;
/** One text per key, in each language. */
export type Messages<K extends string> = Record<string, Record<K, string>> & { en: Record<K, string> };
const SHARED: Messages<Key> = { en, fr };

export type Vars = Record<string, string | number>;

export interface Segment {
  /** Literal text, or the name of the variable that stands here. */
  text: string;
  variable: boolean;
}

/** A message cut at its `{variables}`, for screens that set some of them in bold or as links. */
export function segmentsOf<K extends string>(messages: Messages<K>, language: string, key: K): Segment[] {
  return (messages[language] ?? messages.en)[key]
    .split(/\{(\w+)\}/)
    .map((text, index) => ({ text, variable: index % 2 === 1 }))
    .filter((segment) => segment.text !== '');
}

export function messageOf<K extends string>(
  messages: Messages<K>,
  language: string,
  key: K,
  vars: Vars = {},
): string {
  return segmentsOf(messages, language, key)
    .map(({ text, variable }) => (variable ? String(vars[text] ?? `{${text}}`) : text))
    .join('');
}

export const segments = (language: string, key: Key): Segment[] => segmentsOf(SHARED, language, key);
export const message = (language: string, key: Key, vars?: Vars): string =>
  messageOf(SHARED, language, key, vars);
