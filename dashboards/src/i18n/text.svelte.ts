// Messages in the language of the reader, reactive.

import { preferences } from '../shell/preferences.svelte.ts';
import {
  message,
  messageOf,
  segments,
  type Key,
  type Messages,
  type Segment,
  type Vars,
} from './messages.ts';

export type { Key };

export function t(key: Key, vars?: Vars): string {
  return message(preferences.language, key, vars);
}

export function parts(key: Key): Segment[] {
  return segments(preferences.language, key);
}

/** The same as `t`, over the texts of a screen that brings its own. */
export function texts<K extends string>(messages: Messages<K>): (key: K, vars?: Vars) => string {
  return (key, vars) => messageOf(messages, preferences.language, key, vars);
}
