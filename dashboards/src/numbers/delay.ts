// Delays, ratios and counts as text. Numbers that do not exist are a dash, never 0.
// Locale comes from the caller; Intl does the separators and the spaces.

/** Milliseconds for dense places (cells, bars): 0.023, 0.42, 9.1, 12.3, 104. */
export function shortMs(us: number | null | undefined, locale: string): string {
  if (us === null || us === undefined) return '–';
  const ms = us / 1000;
  return decimals(ms, ms < 0.0995 ? 3 : ms < 0.995 ? 2 : ms < 99.95 ? 1 : 0, locale);
}

/** Milliseconds with three significant digits, the precision the histograms hold: 0.421, 9.12, 12.3, 104. */
export function exactMs(us: number | null | undefined, locale: string): string {
  if (us === null || us === undefined) return '–';
  const ms = us / 1000;
  return decimals(ms, ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0, locale);
}

/** A tick of a delay axis in milliseconds, with no more digits than the tick has: 0.015, 1.5, 10. */
export function tickMs(us: number, locale: string): string {
  const text = String(Number((us / 1000).toPrecision(6)));
  return decimals(us / 1000, Math.min(3, text.split('.')[1]?.length ?? 0), locale);
}

/** A loss ratio as a percentage: 0, 0.03, 0.4, 12. A loss that happened is never rounded to 0. */
export function percent(ratio: number | null | undefined, locale: string): string {
  if (ratio === null || ratio === undefined) return '–';
  const p = ratio * 100;
  if (p === 0) return '0';
  if (p < 0.01) return `<${decimals(0.01, 2, locale)}`;
  return decimals(p, p < 1 ? 2 : p < 10 ? 1 : 0, locale);
}

export function count(n: number | null | undefined, locale: string): string {
  return n === null || n === undefined ? '–' : formatter(locale, 0).format(n);
}

const formatters = new Map<string, Intl.NumberFormat>();

function formatter(locale: string, digits: number): Intl.NumberFormat {
  const key = `${locale} ${digits}`;
  let made = formatters.get(key);
  if (!made) {
    made = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formatters.set(key, made);
  }
  return made;
}

export function decimals(value: number, digits: number, locale: string): string {
  return formatter(locale, digits).format(value);
}
