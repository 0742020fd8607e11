import { earlierRange } from './time.ts';
import { describe, expect, it } from 'vitest';
import {
  brushedRange,
  formatInstant,
  isLive,
  parseInstant,
  rangeFault,
  toAbsolute,
  widerRange,
} from './time.ts';

const NOW = Date.parse('2026-11-23T10:00:00Z');

describe('parseInstant', () => {
  it.each([
    ['now', '2026-11-23T10:00:00Z'],
    ['now-5m', '2026-11-23T09:55:00Z'],
    ['now-7d', '2026-11-16T10:00:00Z'],
    ['2026-11-23T09:00:30Z', '2026-11-23T09:00:30Z'],
    ['2026-11-23T09:00Z', '2026-11-23T09:00:00Z'],
  ])('reads %s', (text, expected) => {
    expect(formatInstant(parseInstant(text, NOW)!)).toBe(expected);
  });

  it.each([
    'yesterday',
    'now+5m',
    'now-5w',
    '2026-11-23',
    '2026-11-23T10:00:00+01:00',
    '2026-13-01T00:00:00Z',
    '',
  ])('refuses %s', (text) => expect(parseInstant(text, NOW)).toBeNull());
});

describe('ranges', () => {
  it('is live only when it ends at now', () => {
    expect(isLive({ from: 'now-1h', to: 'now' })).toBe(true);
    expect(isLive({ from: 'now-1h', to: 'now-5m' })).toBe(false);
    expect(isLive({ from: 'now-1h', to: '2026-11-23T10:00:00Z' })).toBe(false);
  });

  it('becomes absolute for a permalink', () => {
    expect(toAbsolute({ from: 'now-1h', to: 'now' }, NOW)).toEqual({
      from: '2026-11-23T09:00:00Z',
      to: '2026-11-23T10:00:00Z',
    });
  });

  it('names what is wrong', () => {
    expect(rangeFault({ from: 'now', to: 'now-1h' }, NOW)).toBe('empty');
    expect(rangeFault({ from: 'x', to: 'now' }, NOW)).toBe('unreadable');
    expect(rangeFault({ from: 'now-1h', to: 'now' }, NOW)).toBeNull();
  });
});

describe('brushedRange', () => {
  it('snaps outwards to whole intervals, whichever way it was dragged', () => {
    const start = Date.parse('2026-11-23T09:10:04Z');
    const end = Date.parse('2026-11-23T09:20:01Z');
    const expected = { from: '2026-11-23T09:10:00Z', to: '2026-11-23T09:20:10Z' };
    expect(brushedRange(start, end)).toEqual(expected);
    expect(brushedRange(end, start)).toEqual(expected);
  });

  it('never zooms below one minute', () => {
    const range = brushedRange(NOW, NOW + 1000);
    expect(Date.parse(range.to) - Date.parse(range.from)).toBe(60_000);
  });
});

it('widerRange doubles the range and never ends in the future', () => {
  expect(widerRange({ from: 'now-1h', to: 'now' }, NOW)).toEqual({
    from: '2026-11-23T08:00:00Z',
    to: '2026-11-23T10:00:00Z',
  });
});

describe('earlierRange', () => {
  it('goes back by a day, and by more when the range is longer than that', () => {
    const day = { from: '2026-11-23T10:00:00Z', to: '2026-11-23T11:00:00Z' };
    expect(earlierRange(day, '1d', 0)).toEqual({ from: '2026-11-22T10:00:00Z', to: '2026-11-22T11:00:00Z' });
    const long = { from: '2026-11-20T00:00:00Z', to: '2026-11-22T12:00:00Z' };
    expect(earlierRange(long, '1d', 0)!.to).toBe('2026-11-19T12:00:00Z');
    expect(earlierRange({ from: 'now-5m', to: 'now' }, '1h', 1e12)).toEqual({
      from: 'now-3900s',
      to: 'now-3600s',
    });
    expect(earlierRange({ from: 'now', to: 'now-5m' }, '1h', 1e12)).toBeNull();
    expect(earlierRange({ from: 'then', to: 'now' }, '1h', 1e12)).toBeNull();
  });
});
