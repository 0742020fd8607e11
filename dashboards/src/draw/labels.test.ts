import { describe, expect, it } from 'vitest';
import { overlap, placeLabels, type LabelRequest } from './labels.ts';

const FRAME = { x: 0, y: 0, width: 400, height: 300 };
const label = (id: string, x: number, y: number, more: Partial<LabelRequest> = {}): LabelRequest => ({
  id,
  x,
  y,
  radius: 5,
  width: 60,
  height: 14,
  priority: 1,
  ...more,
});

describe('placeLabels', () => {
  it('keeps two neighbours apart (Clermont-Ferrand and Lyon)', () => {
    const placed = placeLabels([label('clermont', 180, 150), label('lyon', 200, 150)], FRAME, []);
    expect(placed).toHaveLength(2);
    expect(overlap(placed[0]!, placed[1]!)).toBe(0);
  });

  it('never lets any two labels overlap, however crowded', () => {
    const crowd = Array.from({ length: 40 }, (_, i) =>
      label(`c${i}`, 150 + (i % 8) * 14, 120 + Math.floor(i / 8) * 11),
    );
    const placed = placeLabels(crowd, FRAME, []);
    expect(placed.length).toBeGreaterThan(3);
    placed.forEach((a, i) => placed.slice(i + 1).forEach((b) => expect(overlap(a, b)).toBe(0)));
  });

  it('gives way to the more important name', () => {
    const slot = { x: 0, y: 0, width: 80, height: 14 };
    const both = [label('a', 5, 7), label('b', 5, 7, { priority: 9 })];
    expect(placeLabels(both, slot, []).map((one) => one.id)).toEqual(['b']);
  });

  it('stays inside the frame', () => {
    const [placed] = placeLabels([label('edge', 396, 150)], FRAME, []);
    expect(placed!.x + placed!.width).toBeLessThanOrEqual(400);
  });

  it('does not cover another marker', () => {
    const marker = { x: 208, y: 145, width: 10, height: 10 };
    const [placed] = placeLabels([label('one', 200, 150)], FRAME, [marker]);
    expect(overlap(placed!, marker)).toBe(0);
  });

  it('tries the preferred side first', () => {
    const [placed] = placeLabels([label('brest', 200, 150, { prefer: 'left' })], FRAME, []);
    expect(placed!.x + placed!.width).toBeLessThan(200);
  });

  it('always places the selected one', () => {
    const crowd = [
      label('a', 200, 150, { priority: 9, width: 390, height: 290, must: true }),
      label('me', 200, 150, { must: true }),
    ];
    expect(placeLabels(crowd, FRAME, []).map((one) => one.id)).toContain('me');
  });
});
