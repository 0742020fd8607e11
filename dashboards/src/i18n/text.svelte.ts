// Messages in the language of the reader, reactive.

import { preferences } from '../shell/preferences.svelte.ts';
import { message, segments, type Key, type Segment, type Vars } from './messages.ts';

export type { Key };

export function t(key: Key, vars?: Vars): string {
  return message(preferences.language, key, vars);
}

export function parts(key: Key): Segment[] {
  return segments(preferences.language, key);
}
