import { describe, expect, it } from 'vitest';
import type { HeatmapAnswer } from '../api/model.ts';
import { readBox, slowest, snapped, writeBox } from './box.ts';

const at = (text: string): number => Date.parse(text);
const map = {
  from: '2026-11-25T10:00:00Z',
  to: '2026-11-25T11:00:00Z',
  step_s: 60,
  rows: [
    { low_us: 100, high_us: 199 },
    { low_us: 200, high_us: 399 },
    { low_us: 400, high_us: 799 },
  ],
} as HeatmapAnswer;

describe('a rectangle of the heat map', () => {
  it('comes back from the address as it went in, and nothing else does', () => {
    const box = {
      fromMs: at('2026-11-25T10:00:00Z'),
      toMs: at('2026-11-25T10:10:00Z'),
      lowUs: 800,
      highUs: 1000,
    };
    expect(writeBox(box)).toBe('2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~800~1000');
    expect(readBox(writeBox(box))).toEqual(box);
    for (const bad of [
      null,
      '',
      'x',
      '2026-11-25T10:00:00Z~2026-11-25T10:10:00Z',
      '2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~9~8',
      '2026-11-25T10:10:00Z~2026-11-25T10:00:00Z~8~9',
      '2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~8~1e9',
      '2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~8~9~',
      'now-1h~now~8~9',
    ])
      expect(readBox(bad), String(bad)).toBeNull();
  });

  it('is made of whole cells', () => {
    const drawn = {
      fromMs: at('2026-11-25T10:00:31Z'),
      toMs: at('2026-11-25T10:01:01Z'),
      lowUs: 250,
      highUs: 420,
    };
    expect(snapped(drawn, map)).toEqual({
      fromMs: at('2026-11-25T10:00:00Z'),
      toMs: at('2026-11-25T10:02:00Z'),
      lowUs: 200,
      highUs: 799,
    });
    expect(snapped({ ...drawn, lowUs: 900, highUs: 950 }, map)).toBeNull();
    expect(snapped(drawn, { ...map, rows: [] })).toBeNull();
  });

  it('begins with the slowest tenth', () => {
    expect(slowest(map, 399)).toMatchObject({
      lowUs: 400,
      highUs: 799,
      fromMs: at(map.from),
      toMs: at(map.to),
    });
    expect(slowest(map, 799)).toMatchObject({ lowUs: 400, highUs: 799 });
    expect(slowest(map, null)).toBeNull();
    expect(slowest({ ...map, rows: [] }, 100)).toBeNull();
  });
});
