// A frame drawn over the cells of the table: where the cells are is asked of the page once, what they hold is drawn in one go. The
// canvas is a picture of numbers that the table will hold a moment later, never the only place of one.

import { badnessColour, css, inkOn, type Theme } from '../draw/colour.ts';
import type { ClassScale } from '../draw/scale.ts';

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  /** Left and right of all cells, top and bottom, in the coordinates of the scrolled content. */
  area: Box;
  columns: { x: number; width: number }[];
  rows: { y: number; height: number }[];
}

export interface Picture {
  layout: Layout;
  /** Of each row, of each column; undefined where there is nothing. */
  valueAt: (row: number, column: number) => number | undefined;
  text: (value: number) => string;
  scale: ClassScale | null;
  theme: Theme;
  ground: string;
  ink: string;
  /** Exactly no loss is left unpainted, as in the table. */
  bare: boolean;
}

export function layoutOf(table: HTMLTableElement, rows: number, columns: number): Layout | null {
  const cell = (row: number, column: number): HTMLElement | null =>
    table.querySelector<HTMLElement>(`a[data-cell="${row}-${column}"]`)?.closest('td') ?? null;
  const first = Array.from({ length: columns }, (_, column) => cell(0, column));
  const own = Array.from({ length: rows }, (_, row) => cell(row, 0));
  if (first.some((td) => td === null) || own.some((td) => td === null)) return null;
  const base = table.getBoundingClientRect();
  const columnBoxes = first.map((td) => {
    const box = td!.getBoundingClientRect();
    return { x: box.left - base.left, width: box.width };
  });
  const rowBoxes = own.map((td) => {
    const box = td!.getBoundingClientRect();
    return { y: box.top - base.top, height: box.height };
  });
  const [left, top] = [columnBoxes[0]!.x, rowBoxes[0]!.y];
  const [right, low] = [columnBoxes.at(-1)!, rowBoxes.at(-1)!];
  return {
    area: { x: left, y: top, width: right.x + right.width - left, height: low.y + low.height - top },
    columns: columnBoxes,
    rows: rowBoxes,
  };
}

export function paint(canvas: HTMLCanvasElement, picture: Picture, ratio: number): void {
  const { layout, scale } = picture;
  const { area } = layout;
  const [width, height] = [Math.round(area.width * ratio), Math.round(area.height * ratio)];
  // Setting a size clears and reallocates: only when it is another.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false });
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = picture.ground;
  context.fillRect(0, 0, area.width, area.height);
  context.font = '11px system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  // One colour pair a class, worked out once.
  const paints = new Map<number, [string, string]>();
  layout.rows.forEach((row, r) => {
    layout.columns.forEach((column, c) => {
      const value = picture.valueAt(r, c);
      if (value === undefined) return;
      const [x, y] = [column.x - area.x, row.y - area.y];
      let ink = picture.ink;
      if (scale !== null && !(picture.bare && value === 0)) {
        const badness = scale.badness(value);
        let pair = paints.get(badness);
        if (!pair) {
          const colour = badnessColour(badness, picture.theme);
          pair = [css(colour), css(inkOn(colour))];
          paints.set(badness, pair);
        }
        context.fillStyle = pair[0];
        context.fillRect(x, y, column.width - 1, row.height - 1);
        ink = pair[1];
      }
      context.fillStyle = ink;
      context.fillText(picture.text(value), x + column.width / 2, y + row.height / 2);
    });
  });
}
