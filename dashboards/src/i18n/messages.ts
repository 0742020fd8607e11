// Texts of the screens: flat JSON, one file per language, every key checked by the compiler in both.
// Pure; which language is shown is a preference.

import en from './en.json';
import fr from './fr.json';

export type Key = keyof typeof en;
type Messages = Record<Key, string>;
const LANGUAGES: Record<string, Messages> = { en, fr };

export type Vars = Record<string, string | number>;

export interface Segment {
  /** Literal text, or the name of the variable that stands here. */
  text: string;
  variable: boolean;
}

/** A message cut at its `{variables}`, for screens that set some of them in bold or as links. */
export function segments(language: string, key: Key): Segment[] {
  return (LANGUAGES[language] ?? en)[key]
    .split(/\{(\w+)\}/)
    .map((text, index) => ({ text, variable: index % 2 === 1 }))
    .filter((segment) => segment.text !== '');
}

export function message(language: string, key: Key, vars: Vars = {}): string {
  return segments(language, key)
    .map(({ text, variable }) => (variable ? String(vars[text] ?? `{${text}}`) : text))
    .join('');
}
