// What a screen knows about one question put to the collector, step by step. Pure: told the time, told what came back.
// Old data stays on screen while a newer answer is on its way or failing; it is marked, never blanked.

import type { Answer, Fault } from './client.ts';

export interface Freshness<T> {
  data: T | null;
  /** The question the data answers; different from the one asked now while the reader has just changed something. */
  dataUrl: string | null;
  receivedAtMs: number | null;
  fault: Fault | null;
  /** When the present run of failures began. */
  failingSinceMs: number | null;
  waiting: boolean;
}

export function unasked<T>(): Freshness<T> {
  return { data: null, dataUrl: null, receivedAtMs: null, fault: null, failingSinceMs: null, waiting: false };
}

export function asked<T>(before: Freshness<T>): Freshness<T> {
  return { ...before, waiting: true };
}

export function answered<T>(
  before: Freshness<T>,
  url: string,
  answer: Answer<T>,
  atMs: number,
): Freshness<T> {
  if (answer.ok) {
    return {
      data: answer.data,
      dataUrl: url,
      receivedAtMs: atMs,
      fault: null,
      failingSinceMs: null,
      waiting: false,
    };
  }
  // A refusal is about this very question: the answer to another one must not stand beside it. And what somebody saw who was
  // logged in is not for whoever sits there now.
  const refused =
    answer.fault.kind === 'login' || (answer.fault.kind === 'refused' && before.dataUrl !== url);
  return {
    ...before,
    ...(refused ? { data: null, dataUrl: null, receivedAtMs: null } : {}),
    fault: answer.fault,
    failingSinceMs: before.failingSinceMs ?? atMs,
    waiting: false,
  };
}

/** Milliseconds until the question is put again, or null for never. */
export function nextAskMs(state: { fault: Fault | null }, live: boolean, refreshS: number): number | null {
  const retryMs = 5_000;
  if (state.fault !== null) return ['refused', 'login'].includes(state.fault.kind) ? null : retryMs;
  return live && refreshS > 0 ? refreshS * 1000 : null;
}
