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

const window = { fromMs: at('2026-11-25T09:00:00Z'), toMs: at('2026-11-25T11:00:00Z') };

describe('a rectangle of the heat map', () => {
  it('comes back from the address as it went in, and nothing else does', () => {
    const box = {
      fromMs: at('2026-11-25T10:00:00Z'),
      toMs: at('2026-11-25T10:10:00Z'),
      lowUs: 800,
      highUs: 1000,
    };
    expect(writeBox(box)).toBe('2026-11-25T10:00:00Z~2026-11-25T10:10:00Z~800~1000');
    expect(readBox(writeBox(box), window)).toEqual({ box, dropped: [] });
    for (const nothing of [null, ''])
      expect(readBox(nothing, window), String(nothing)).toEqual({ box: null, dropped: [] });
    for (const bad of ['x', 'now-1h~now~9', '~~~', 'a~b~1e9~8'])
      expect(readBox(bad, window), bad).toEqual({ box: null, dropped: [bad] });
  });

  it('keeps the half of it that can be read, turns what stands the wrong way round, and says what it left out', () => {
    const [from, to] = ['2026-11-25T10:00:00Z', '2026-11-25T10:10:00Z'];
    const whole = { fromMs: at(from), toMs: at(to), lowUs: 800, highUs: 1000 };
    const all = { lowUs: 1, highUs: 60_000_000 };
    for (const [text, box, dropped] of [
      [`${from}~${to}~1000~800`, whole, []],
      [`${to}~${from}~800~1000`, whole, []],
      [`${from}~${to}~800~1000~`, whole, []],
      [`${from}~${to}~800~1000~x~y`, whole, ['x~y']],
      [`${from}~${to}`, { ...whole, ...all }, ['~']],
      [`${from}~${to}~8~1e9`, { ...whole, ...all }, ['8~1e9']],
      [`now-1h~now~800~1000`, { ...whole, ...window }, ['now-1h~now']],
      [`${from}~${from}~800~1000`, { ...whole, ...window }, [`${from}~${from}`]],
    ] as const)
      expect(readBox(text, window), text).toEqual({ box, dropped });
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
