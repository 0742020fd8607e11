// Colour for numbers: viridis and inferno as tables, the share of them each theme may use, and text that can be read on them.
// Monotone in lightness for normal and colour-blind eyes; there is no red-green ramp here on purpose. Colour is spent on
// measurements only: providers are told apart by a two-letter code.

export type Rgb = readonly [number, number, number];
export type Theme = 'light' | 'dark';

const table = (text: string): Rgb[] =>
  text.split(' ').map((hex) => {
    const value = Number.parseInt(hex, 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  });

/** Matplotlib's viridis and inferno at ten even stops. */
const VIRIDIS = table('440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725');
const INFERNO = table('000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4');

function along(stops: readonly Rgb[], t: number): Rgb {
  const x = Math.min(1, Math.max(0, t)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(x));
  const a = stops[index]!;
  const b = stops[index + 1]!;
  const share = x - index;
  const mix = (i: 0 | 1 | 2): number => Math.round(a[i] + (b[i] - a[i]) * share);
  return [mix(0), mix(1), mix(2)];
}

/** The part of viridis that stays distinct from the page behind it. */
const VIRIDIS_SPAN: Record<Theme, readonly [number, number]> = { light: [0, 0.9], dark: [0.24, 1] };

/** Badness 0 (best: bright, yellow) to 1 (worst: dark, violet). */
export function badnessColour(badness: number, theme: Theme): Rgb {
  const [low, high] = VIRIDIS_SPAN[theme];
  return along(VIRIDIS, high + (low - high) * Math.min(1, Math.max(0, badness)));
}

/** Density 0 (a single sample, still visible) to 1 (the fullest cell). Dark on light paper, bright on dark paper. */
export function densityColour(density: number, theme: Theme): Rgb {
  const d = Math.min(1, Math.max(0, density));
  return theme === 'light' ? along(INFERNO, 0.87 - 0.83 * d) : along(INFERNO, 0.3 + 0.7 * d);
}

/** ColorBrewer's PuOr, its violet half replaced by blue: told apart by every kind of colour vision. From blue to orange. */
const DIVERGING = table('08519c 3182bd 6baed6 bdd7e7 f7f7f7 fdcc8a fdae61 e6730b a33b00');

/** A difference: -1 (much better, blue) over 0 (none, the page's own grey) to 1 (much worse, orange). */
export function differenceColour(difference: number, theme: Theme): Rgb {
  const d = Math.min(1, Math.max(-1, difference));
  if (theme === 'light') return along(DIVERGING, (d + 1) / 2);
  // On a dark page none is dark and much is bright.
  return along(table('9fd3ff 4a9fe0 1f6aa8 1a3d5c 20262c 57381a 9c5a17 e08a2e ffc27a'), (d + 1) / 2);
}

export function css(colour: Rgb): string {
  return `rgb(${colour[0]} ${colour[1]} ${colour[2]})`;
}

/** WCAG 2 relative luminance, 0 (black) to 1 (white). */
export function luminance(colour: Rgb): number {
  const linear = (value: number): number => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

export function contrast(a: Rgb, b: Rgb): number {
  const [dark, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (bright + 0.05) / (dark + 0.05);
}

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/** Black or white, whichever reads better on the colour. */
export function inkOn(colour: Rgb): Rgb {
  return contrast(colour, BLACK) >= contrast(colour, WHITE) ? BLACK : WHITE;
}
