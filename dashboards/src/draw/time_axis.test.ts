import { describe, expect, it } from 'vitest';
import { formatRange, formatTime, offsetName, timeTicks } from './time_axis.ts';

const at = (text: string): number => Date.parse(text);

describe('timeTicks', () => {
  it('are round, inside, and in 24-hour time', () => {
    const ticks = timeTicks(at('2026-11-23T12:03:10Z'), at('2026-11-23T13:03:10Z'), 8, 'UTC', 'en');
    expect(ticks.map((tick) => tick.text)).toEqual(['12:10', '12:20', '12:30', '12:40', '12:50', '13:00']);
    expect(ticks[0]!.day).toBe('23 Nov');
    expect(ticks[1]!.day).toBeNull();
  });

  it('stand on local hours, not on UTC ones', () => {
    const ticks = timeTicks(at('2026-11-22T18:00:00Z'), at('2026-11-23T18:00:00Z'), 8, 'Europe/Paris', 'en');
    expect(ticks.map((tick) => tick.text)).toContain('00:00');
    expect(ticks.find((tick) => tick.text === '00:00')!.day).toBe('23 Nov');
  });

  it('neither repeat nor skip an instant in the night the clocks go back', () => {
    const ticks = timeTicks(at('2026-10-25T00:00:00Z'), at('2026-10-25T03:00:00Z'), 8, 'Europe/Paris', 'en');
    expect(ticks.map((tick) => tick.text)).toEqual([
      '02:00',
      '02:30',
      '02:00',
      '02:30',
      '03:00',
      '03:30',
      '04:00',
    ]);
    expect(new Set(ticks.map((tick) => tick.atMs)).size).toBe(ticks.length);
  });
});

it('the offset is printed for the instant, not for today', () => {
  expect(offsetName(at('2026-07-01T00:00:00Z'), 'Europe/Paris')).toBe('UTC+2');
  expect(offsetName(at('2026-11-23T00:00:00Z'), 'Europe/Paris')).toBe('UTC+1');
  expect(offsetName(at('2026-11-23T00:00:00Z'), 'Asia/Kolkata')).toBe('UTC+5:30');
  expect(offsetName(at('2026-11-23T00:00:00Z'), 'UTC')).toBe('UTC');
});

it('a range says its date as soon as that could be misread', () => {
  const now = at('2026-11-23T15:00:00Z');
  expect(formatRange(at('2026-11-23T13:00:00Z'), at('2026-11-23T14:00:00Z'), now, 'UTC', 'en')).toBe(
    '13:00–14:00',
  );
  expect(formatRange(at('2026-11-22T13:00:00Z'), at('2026-11-22T14:00:00Z'), now, 'UTC', 'en')).toBe(
    '22 Nov 13:00–14:00',
  );
  expect(formatTime(at('2026-11-23T23:05:09Z'), 'UTC', 'fr')).toBe('23:05:09');
});

describe('the night of a change of the clocks, in Paris', () => {
  const zone = 'Europe/Paris';
  const [first, second] = [at('2026-10-25T00:30:00Z'), at('2026-10-25T01:30:00Z')];

  it('two 02:30 are two texts, in both languages, and so is every time of that day', () => {
    expect([first, second].map((ms) => formatTime(ms, zone, 'fr', false))).toEqual([
      '02:30 (+2)',
      '02:30 (+1)',
    ]);
    expect(formatRange(first, second, second, zone, 'en')).toBe('02:30 (+2)–02:30 (+1)');
    expect(formatTime(at('2026-10-25T08:00:00Z'), zone, 'en', false)).toBe('09:00 (+1)');
    expect(formatTime(at('2026-10-27T08:00:00Z'), zone, 'en', false)).toBe('09:00');
    expect(formatTime(first, 'UTC', 'en', false)).toBe('00:30');
    expect(formatTime(at('2026-10-25T00:30:00Z'), 'Europe/London', 'en', false)).toBe('01:30 (+1)');
    expect(formatTime(at('2026-10-25T01:30:00Z'), 'Europe/London', 'en', false)).toBe('01:30 (+0)');
  });

  it('the axis says below its ticks by which clock they are', () => {
    const ticks = timeTicks(at('2026-10-25T00:00:00Z'), at('2026-10-25T02:00:00Z'), 6, zone, 'en');
    expect(ticks.map((tick) => [tick.text, tick.day])).toEqual([
      ['02:00', '25 Oct UTC+2'],
      ['02:30', null],
      ['02:00', 'UTC+1'],
      ['02:30', null],
      ['03:00', null],
    ]);
  });

  it('long steps go on standing on the same hours of the day, on days of 25 and of 23 hours', () => {
    const texts = (from: string, to: string): string[] =>
      timeTicks(at(from), at(to), 8, zone, 'en').map((tick) => tick.text);
    expect(texts('2026-10-24T22:00:00Z', '2026-10-26T05:00:00Z')).toEqual([
      '00:00',
      '06:00',
      '12:00',
      '18:00',
      '00:00',
      '06:00',
    ]);
    expect(texts('2026-03-28T23:00:00Z', '2026-03-30T04:00:00Z')).toEqual([
      '00:00',
      '06:00',
      '12:00',
      '18:00',
      '00:00',
      '06:00',
    ]);
  });

  it('an axis of days has one tick a day', () => {
    const ticks = timeTicks(at('2026-10-22T22:00:00Z'), at('2026-10-27T23:00:00Z'), 8, zone, 'en');
    expect(ticks.map((tick) => tick.day?.split(' UTC')[0])).toEqual([
      '23 Oct',
      '24 Oct',
      '25 Oct',
      '26 Oct',
      '27 Oct',
      '28 Oct',
    ]);
  });
});
