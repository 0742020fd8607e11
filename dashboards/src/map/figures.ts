// What stands in letters on the map: the name and the number of each metro and of each place one looks from, and where there is room for
// them. What is more worth reading is placed first; the chosen place always is.

import type { Agent } from '../api/model.ts';
import { placeLabels, type LabelRequest, type PlacedLabel } from '../draw/labels.ts';
import { textWidth } from '../draw/text_width.ts';
import { t } from '../i18n/text.svelte.ts';
import { cellValue, isRate, shortValue } from '../metric.ts';
import type { Language } from '../shell/preferences.svelte.ts';
import type { Metric } from '../url/state.ts';
import type { City, Metro } from './model.ts';

/** What the map is about, as far as its letters go. */
export interface Said {
  metric: Metric;
  /** Null when a group is looked from. */
  selected: Agent | null;
  locale: Language;
}

/** A metro as it is drawn, in pixels. */
export interface Disc {
  metro: Metro;
  x: number;
  y: number;
  r: number;
}

/** A place with vantage points as it is drawn, in pixels. */
export interface Dot {
  city: City;
  x: number;
  y: number;
  value: number | null;
  chosen: boolean;
  colour: unknown;
}

export const nameOf = (city: City, chosen: boolean, { selected }: Said): string =>
  chosen && city.agents.length > 1 ? (selected?.vantage_point.name ?? city.name) : city.name;

export function figure(metro: Metro, { metric, locale }: Said): string {
  if (metro.value === null) return metro.dead ? t('lost_word') : '';
  if (!isRate(metric)) return shortValue(metro.value, metric, locale);
  return cellValue(metro.zones.find((one) => one.value === metro.value)?.cell ?? null, metric, locale);
}

export const cityFigure = (value: number | null, { metric, locale }: Said): string =>
  value === null ? '' : shortValue(value, metric, locale);

const FONT = '13px system-ui, sans-serif';
const BOLD = '650 13px system-ui, sans-serif';

/** Labels of what is in view, by `m METRO` and `c CITY`, clear of every mark there is. */
export function labelsOf(
  shownDiscs: readonly Disc[],
  shownDots: readonly Dot[],
  { discs, dots, metros }: { discs: readonly Disc[]; dots: readonly Dot[]; metros: readonly Metro[] },
  said: Said,
  size: { width: number; height: number },
): Map<string, PlacedLabel> {
  const requests: LabelRequest[] = [];
  for (const { metro, x, y, r } of shownDiscs) {
    const number = ` ${figure(metro, said)}`;
    requests.push({
      id: `m ${metro.name}`,
      x,
      y,
      radius: r,
      width: textWidth(metro.name, BOLD) + textWidth(number, BOLD) + 6,
      height: 17,
      priority: 50 + metro.zones.length,
    });
  }
  for (const { city, x, y, chosen, value } of shownDots) {
    const shares = metros.some((metro) => metro.name === city.name);
    if (shares && !chosen && value === null) continue;
    const text = `${nameOf(city, chosen, said)} ${cityFigure(value, said)}`;
    // Lines leave the chosen place towards most zones: its name goes to the other side.
    const leaves = discs.filter((disc) => disc.x > x).length * 2 > discs.length;
    requests.push({
      id: `c ${city.name}`,
      x,
      y,
      radius: chosen ? 9 : value !== null ? 7 : 5,
      width: textWidth(text, chosen || value !== null ? BOLD : FONT) + 4,
      height: 16,
      priority: chosen ? 99 : value !== null ? 60 : 1,
      must: chosen,
      ...(chosen && leaves ? { prefer: 'left' as const } : {}),
    });
  }
  const marks = [
    ...discs,
    ...dots.map((dot) => ({ ...dot, r: dot.chosen ? 8 : dot.colour !== null ? 6 : 5 })),
  ].map(({ x, y, r }) => ({ x: x - r, y: y - r, width: 2 * r, height: 2 * r }));
  const frame = { x: 4, y: 4, width: size.width - 8, height: size.height - 8 };
  return new Map(placeLabels(requests, frame, marks).map((label) => [label.id, label]));
}
