import { describe, expect, it } from 'vitest';
import { answerFrom, snapshotAsked, type Frozen } from './frozen.ts';

const frozen: Frozen = {
  title: 't',
  view: '/',
  createdAtMs: 0,
  notKept: 'not kept',
  answers: [
    {
      url: '/api/v1/map?agent=a&from=2026-11-25T15:55:00Z&to=2026-11-25T16:00:00Z',
      answer: 1,
      refused: null,
    },
    {
      url: '/api/v1/series?agent=a&from=2026-11-25T15:00:00Z&to=2026-11-25T16:00:00Z',
      answer: 2,
      refused: null,
    },
    {
      url: '/api/v1/series?agent=a&from=2026-11-25T14:00:00Z&to=2026-11-25T15:00:00Z',
      answer: 3,
      refused: null,
    },
    { url: '/api/v1/paths?agent=a', answer: null, refused: 'no such agent' },
  ],
};

describe('a snapshot in place of the collector', () => {
  it('answers what was kept, in whatever order and spelling it is asked', () => {
    const asked = '/api/v1/series?to=2026-11-25T15%3A00%3A00Z&from=2026-11-25T14%3A00%3A00Z&agent=a';
    expect(answerFrom(frozen, asked)).toEqual({ ok: true, data: 3 });
    expect(answerFrom(frozen, '/api/v1/map?agent=a&from=now-5m')).toEqual({ ok: true, data: 1 });
  });

  it('never answers with something else', () => {
    for (const url of [
      '/api/v1/map?agent=b',
      '/api/v1/series?agent=a&from=now-1h',
      '/api/v1/agents',
      '/api/v1/map?agent=a&agent=b',
    ])
      expect(answerFrom(frozen, url), url).toEqual({
        ok: false,
        fault: { kind: 'refused', detail: 'not kept' },
      });
    expect(answerFrom(frozen, '/api/v1/paths?agent=a')).toMatchObject({ fault: { detail: 'no such agent' } });
  });

  it('is asked for by its own page, or on any', () => {
    const asked = (pathname: string, search: string): string | null => snapshotAsked({ pathname, search });
    expect(asked('/snapshot', '?id=abc')).toBe('abc');
    expect(asked('/snapshot/', '?id=abc')).toBe('abc');
    expect(asked('/pair', '?agent=a&snapshot=abc')).toBe('abc');
    expect([asked('/alert', '?id=abc'), asked('/', ''), asked('/snapshot', '?id=')]).toEqual([
      null,
      null,
      null,
    ]);
  });
});
