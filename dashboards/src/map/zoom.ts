// Nearer to a part of the map. Pure. Zooming is a scale and a shift over the projection that shows everything, so that the land is
// projected once; in the address stands what does not depend on the size of the window: a place and a factor.

export interface Size {
  width: number;
  height: number;
}

/** The middle of what is shown, and how many times nearer than the whole. */
export interface Zoom {
  longitude: number;
  latitude: number;
  factor: number;
}

/** screen = k * whole + (x, y), in pixels. */
export interface View {
  k: number;
  x: number;
  y: number;
}

/** Nearer than this the coast line has no more to show. */
export const NEAREST = 12;
export const STEP = 1.6;
export const WHOLE: View = { k: 1, x: 0, y: 0 };

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** `4.83,45.76,3.2`: longitude, latitude, factor; null for anything else. */
export function readZoom(text: string | null): Zoom | null {
  const found = /^(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/.exec(text ?? '');
  if (found === null) return null;
  const [longitude, latitude, factor] = found.slice(1).map(Number) as [number, number, number];
  const sane = Math.abs(longitude) <= 180 && Math.abs(latitude) <= 85 && factor > 1 && factor <= NEAREST;
  return sane ? { longitude, latitude, factor } : null;
}

/** Null for the whole, which needs no words. */
export function writeZoom({ longitude, latitude, factor }: Zoom): string | null {
  return factor < 1.01 ? null : [longitude, latitude, factor].map((n) => Number(n.toFixed(2))).join(',');
}

/** Never beyond the whole: no zooming out of it, no shifting it out of the window. */
export function within({ k, x, y }: View, { width, height }: Size): View {
  const near = clamp(k, 1, NEAREST);
  return { k: near, x: clamp(x, width * (1 - near), 0), y: clamp(y, height * (1 - near), 0) };
}

/** `by` times nearer, the point under the pointer staying where it is. */
export function nearer(view: View, by: number, at: readonly [number, number], size: Size): View {
  const k = clamp(view.k * by, 1, NEAREST);
  const ratio = k / view.k;
  return within({ k, x: at[0] - (at[0] - view.x) * ratio, y: at[1] - (at[1] - view.y) * ratio }, size);
}

export function shifted(view: View, dx: number, dy: number, size: Size): View {
  return within({ ...view, x: view.x + dx, y: view.y + dy }, size);
}

/** `at` is where the zoom's place lies in the whole. */
export function viewOf({ factor }: Pick<Zoom, 'factor'>, at: readonly [number, number], size: Size): View {
  return within({ k: factor, x: size.width / 2 - at[0] * factor, y: size.height / 2 - at[1] * factor }, size);
}

/** The point of the whole that lies in the middle of the window. */
export function middleOf({ k, x, y }: View, { width, height }: Size): [number, number] {
  return [(width / 2 - x) / k, (height / 2 - y) / k];
}
