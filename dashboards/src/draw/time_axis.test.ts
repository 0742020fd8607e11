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
