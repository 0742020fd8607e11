import { describe, expect, it } from 'vitest';
import { middleOf, nearer, NEAREST, readZoom, shifted, viewOf, WHOLE, within, writeZoom } from './zoom.ts';

const size = { width: 800, height: 600 };

describe('zoom', () => {
  it('is a place and a factor in the address, and anything else is none', () => {
    expect(readZoom('4.83,45.76,3.2')).toEqual({ longitude: 4.83, latitude: 45.76, factor: 3.2 });
    expect(readZoom('-4.5,48,2')).toEqual({ longitude: -4.5, latitude: 48, factor: 2 });
    for (const text of [
      '',
      null,
      '1,2',
      '4,45,1',
      '4,45,13',
      '400,45,2',
      '4,45,3,',
      'a,b,c',
      '4,,3',
      '1e1,2,3',
    ])
      expect(readZoom(text), String(text)).toBeNull();
    expect(writeZoom({ longitude: 4.83456, latitude: 45.7, factor: 3.2 })).toBe('4.83,45.7,3.2');
    expect(writeZoom({ longitude: 4.8, latitude: 45.7, factor: 1 })).toBeNull();
  });

  it('holds the point under the pointer', () => {
    const at: [number, number] = [200, 150];
    const view = nearer(WHOLE, 2, at, size);
    const point = [(at[0] - WHOLE.x) / WHOLE.k, (at[1] - WHOLE.y) / WHOLE.k] as const;
    expect([view.k * point[0] + view.x, view.k * point[1] + view.y]).toEqual(at);
    expect(nearer(view, 100, at, size).k).toBe(NEAREST);
  });

  it('never leaves the whole', () => {
    expect(nearer(WHOLE, 0.5, [10, 10], size)).toEqual(WHOLE);
    expect(shifted({ k: 2, x: -100, y: -100 }, 500, 500, size)).toEqual({ k: 2, x: 0, y: 0 });
    expect(shifted({ k: 2, x: -100, y: -100 }, -5000, -5000, size)).toEqual({ k: 2, x: -800, y: -600 });
    expect(within({ k: 0.2, x: 50, y: 50 }, size)).toEqual(WHOLE);
  });

  it('comes back from its middle, whatever the window', () => {
    const view = viewOf({ factor: 3 }, [500, 350], size);
    expect(middleOf(view, size)).toEqual([500, 350]);
    expect(middleOf(viewOf({ factor: 3 }, [0, 0], size), size)[0]).toBeCloseTo(800 / 6, 6);
  });
});
