// A snapshot in place of the collector: every question of this visit is answered from what was kept. Looking up is pure; what is
// kept is set once, before the first question.

import type { Answer } from './client.ts';

export interface Kept {
  url: string;
  answer: unknown;
  refused: string | null;
}

export interface Frozen {
  title: string;
  view: string;
  createdAtMs: number;
  answers: readonly Kept[];
  /** What is said of a question that was not kept, in the reader's language. */
  notKept: string;
}

/** A page that opens a snapshot asks by the same instants, but not always in the same words. */
const TIMES = ['from', 'to', 'baseline_from', 'baseline_to', 'inside_from', 'inside_to', 'step'];

function keyOf(url: string, withTimes: boolean): string {
  const [path, text = ''] = url.split('?');
  const pairs = [...new URLSearchParams(text)].filter(([name]) => withTimes || !TIMES.includes(name));
  return JSON.stringify([path, pairs.sort(([a, b], [c, d]) => (a + b < c + d ? -1 : 1))]);
}

export function answerFrom<T>(frozen: Frozen, url: string): Answer<T> {
  const same = (withTimes: boolean): readonly Kept[] => {
    const key = keyOf(url, withTimes);
    return frozen.answers.filter((one) => keyOf(one.url, withTimes) === key);
  };
  // Without its times only when that leaves one: two windows of one pair are two questions.
  const loose = same(false);
  const found = same(true)[0] ?? (loose.length === 1 ? loose[0] : undefined);
  if (found === undefined) return { ok: false, fault: { kind: 'refused', detail: frozen.notKept } };
  if (found.refused !== null) return { ok: false, fault: { kind: 'refused', detail: found.refused } };
  return { ok: true, data: found.answer as T };
}

let now: Frozen | null = null;

export function freeze(frozen: Frozen): void {
  now = frozen;
}

/** The snapshot this visit shows; null for the collector as it is. */
export function frozen(): Frozen | null {
  return now;
}

/** The snapshot an address asks for: `/snapshot?id=ID`, or `snapshot=ID` on any page. */
export function snapshotAsked({ pathname, search }: { pathname: string; search: string }): string | null {
  const query = new URLSearchParams(search);
  const id = query.get('snapshot') ?? (/^\/snapshot\/?$/.test(pathname) ? query.get('id') : null);
  return id === '' ? null : id;
}
