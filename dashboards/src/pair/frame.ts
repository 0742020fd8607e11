// The common frame of the charts of a pair: the same left gutter and right margin, so that time runs straight down the page.

export const GUTTER_PX = 58;
export const MARGIN_PX = 16;

export function plotWidth(total: number): number {
  return Math.max(10, total - GUTTER_PX - MARGIN_PX);
}
