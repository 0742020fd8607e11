// How wide a text will be, asked of the browser's own canvas and remembered.

let context: CanvasRenderingContext2D | null = null;
const widths = new Map<string, number>();

/** CSS pixels of `text` in a CSS `font`. */
export function textWidth(text: string, font: string): number {
  const key = `${font}|${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    context ??= document.createElement('canvas').getContext('2d');
    if (context === null) return text.length * 7.2;
    context.font = font;
    width = context.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}
