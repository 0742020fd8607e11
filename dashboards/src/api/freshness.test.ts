import { describe, expect, it } from 'vitest';
import type { Answer } from './client.ts';
import { answered, asked, nextAskMs, unasked } from './freshness.ts';

const good: Answer<number> = { ok: true, data: 7 };
const down: Answer<number> = { ok: false, fault: { kind: 'unreachable' } };
const refused: Answer<number> = { ok: false, fault: { kind: 'refused', detail: 'no' } };

const loggedOut: Answer<number> = { ok: false, fault: { kind: 'login' } };

describe('freshness', () => {
  it('keeps the last data when the collector goes away, and remembers since when', () => {
    let state = answered(asked(unasked<number>()), '/a', good, 1000);
    state = answered(asked(state), '/a', down, 2000);
    state = answered(asked(state), '/a', down, 3000);
    expect(state).toMatchObject({
      data: 7,
      receivedAtMs: 1000,
      failingSinceMs: 2000,
      fault: { kind: 'unreachable' },
    });
  });

  it('forgets the trouble once an answer comes', () => {
    const state = answered(answered(unasked<number>(), '/a', down, 1000), '/a', good, 2000);
    expect(state).toMatchObject({ data: 7, fault: null, failingSinceMs: null });
  });

  it('shows nothing more to who is logged in no more', () => {
    const state = answered(answered(unasked<number>(), '/a', good, 1000), '/a', loggedOut, 2000);
    expect(state.data).toBeNull();
    expect(nextAskMs(state, true, 10)).toBeNull();
  });

  it('drops data of another question when this one is refused', () => {
    const state = answered(answered(unasked<number>(), '/a', good, 1000), '/b', refused, 2000);
    expect(state.data).toBeNull();
  });
});

describe('nextAskMs', () => {
  it('a fixed range is asked once and never again', () => {
    expect(nextAskMs({ fault: null }, false, 10)).toBeNull();
  });

  it('a live one every refresh, unless the reader turned that off', () => {
    expect(nextAskMs({ fault: null }, true, 10)).toBe(10_000);
    expect(nextAskMs({ fault: null }, true, 0)).toBeNull();
  });

  it('an unreachable collector is asked again, a refused question is not', () => {
    expect(nextAskMs({ fault: { kind: 'unreachable' } }, false, 0)).toBe(5_000);
    expect(nextAskMs({ fault: { kind: 'refused', detail: '' } }, true, 10)).toBeNull();
  });
});
