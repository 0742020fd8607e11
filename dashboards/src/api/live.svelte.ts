// A question put to the collector again and again: the rim around freshness.ts (fetch, timers, page visibility).

import { untrack } from 'svelte';
import { nowMs } from '../clock.svelte.ts';
import { get } from './client.ts';
import { frozen } from './frozen.ts';
import { answered, asked, nextAskMs, unasked, type Freshness } from './freshness.ts';

export interface Question {
  url: string;
  /** False for a range the reader has fixed: asked once. */
  live: boolean;
  refreshS: number;
}

export interface Live<T> {
  readonly state: Freshness<T>;
  /** What is shown answers an earlier question than the one asked now. */
  readonly outdated: boolean;
  /** Asks at once: something was changed, and the answer is another now. */
  again(): void;
}

/** The questions on screen now, by whoever asks them; not reactive. */
const asking = new Map<symbol, string>();

/** Every question whose answer is on the screen, once each, in the order in which they were first asked. */
export function questionsAsked(): string[] {
  return [...new Set(asking.values())];
}

/** Call while a component initialises. The question is a function so that a changed address asks anew. */
export function live<T>(question: () => Question | null): Live<T> {
  let state = $state.raw<Freshness<T>>(unasked());
  let turn = $state(0);
  const current = $derived(question());
  const url = $derived(current?.url ?? null);
  const isLive = $derived((current?.live ?? false) && frozen() === null);
  const refreshS = $derived(current?.refreshS ?? 0);

  $effect(() => {
    void turn;
    if (url === null) return;
    const question = url;
    const [again, everyS] = [isLive, refreshS];
    const abort = new AbortController();
    const asker = Symbol(question);
    asking.set(asker, question);
    let timer: ReturnType<typeof setTimeout> | undefined;

    const ask = async (): Promise<void> => {
      state = asked(state);
      try {
        const answer = await get<T>(question, abort.signal);
        state = answered(state, question, answer, nowMs());
      } catch {
        return; // aborted: another question took over
      }
      const wait = nextAskMs(state, again, everyS);
      if (wait !== null) timer = setTimeout(askWhenSeen, wait);
    };
    // A hidden tab asks nothing; it catches up the moment it is looked at.
    const askWhenSeen = (): void => {
      if (document.hidden)
        document.addEventListener('visibilitychange', askWhenSeen, { once: true, signal: abort.signal });
      else void ask();
    };

    // The first step runs inside this effect; what it reads must not make the effect run again.
    untrack(() => void ask());
    return () => {
      asking.delete(asker);
      abort.abort();
      clearTimeout(timer);
    };
  });

  return {
    get state() {
      return state;
    },
    get outdated() {
      return state.dataUrl !== null && state.dataUrl !== url;
    },
    again(): void {
      turn += 1;
    },
  };
}
