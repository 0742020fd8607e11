import { describe, expect, it } from 'vitest';
import { differenceColour } from './colour.ts';
import { badnessColour, contrast, densityColour, inkOn, luminance, type Theme } from './colour.ts';

const steps = Array.from({ length: 101 }, (_, i) => i / 100);

describe.each<Theme>(['light', 'dark'])('on a %s page', (theme) => {
  it('lightness falls as delay gets worse, so that grey print and colour-blind eyes keep the order', () => {
    const light = steps.map((t) => luminance(badnessColour(t, theme)));
    light.slice(1).forEach((value, i) => expect(value).toBeLessThanOrEqual(light[i]!));
  });

  it('text on every cell passes WCAG AA', () => {
    for (const t of steps) {
      const colour = badnessColour(t, theme);
      expect(contrast(colour, inkOn(colour))).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('a difference moves away from none to both sides, blue for better and orange for worse, and can be read on', () => {
    const away = (colour: readonly number[]): number =>
      Math.abs(luminance(colour as never) - luminance(differenceColour(0, theme)));
    for (const side of [-1, 1]) {
      const steps = [0.25, 0.5, 0.75, 1].map((d) => differenceColour(side * d, theme));
      steps.slice(1).forEach((colour, i) => expect(away(colour)).toBeGreaterThan(away(steps[i]!)));
      for (const colour of steps) {
        expect(contrast(colour, inkOn(colour))).toBeGreaterThanOrEqual(4.5);
        expect(Math.sign(colour[0] - colour[2])).toBe(side);
      }
    }
  });

  it('density moves away from the page, one way', () => {
    const light = steps.map((t) => luminance(densityColour(t, theme)));
    const sign = theme === 'light' ? -1 : 1;
    light.slice(1).forEach((value, i) => expect(sign * (value - light[i]!)).toBeGreaterThanOrEqual(-1e-9));
  });
});
