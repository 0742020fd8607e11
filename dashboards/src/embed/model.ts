// One panel for a page of somebody else: which one, and the snippet that shows it. Pure.

export const PANELS = ['heatmap', 'bands', 'loss', 'curve', 'ranking', 'matrix'] as const;
export type Panel = (typeof PANELS)[number];

export function readPanel(text: string | null): Panel | null {
  return PANELS.find((panel) => panel === text) ?? null;
}

/** What a screen can give away. */
export function panelsOf(screen: string): readonly Panel[] {
  if (screen === 'pair') return ['heatmap', 'bands', 'loss', 'curve'];
  if (screen === 'matrix') return ['matrix'];
  return screen === 'map' ? ['ranking'] : [];
}

/** The screen a panel leads back to. */
export function homeOf(panel: Panel): '/' | '/matrix' | '/pair' {
  if (panel === 'matrix') return '/matrix';
  return panel === 'ranking' ? '/' : '/pair';
}

/** Pixels, within what a page can want; the fallback for anything else. */
export function readPixels(text: string | null, fallback: number): number {
  const n = Number(text ?? Number.NaN);
  return Number.isInteger(n) && n >= 120 && n <= 4000 ? n : fallback;
}

const KEPT = ['agent', 'zone', 'method', 'load', 'flow', 'metric', 'from', 'to', 'clock', 'lang', 'theme'];
/** How a matrix is gathered and narrowed. */
const OF_MATRIX = ['group', 'rows', 'country', 'network', 'metro', 'sort', 'agents', 'zones', 'vs'];

export interface Snippet {
  panel: Panel;
  width: number;
  height: number;
  title: string;
}

export function addressOf(origin: string, query: URLSearchParams, { panel, width, height }: Snippet): string {
  const own = new URLSearchParams({ panel });
  for (const name of panel === 'matrix' ? [...KEPT, ...OF_MATRIX] : KEPT) {
    const value = query.get(name);
    if (value !== null) own.set(name, value);
  }
  own.set('width', String(width));
  own.set('height', String(height));
  return `${origin}/embed?${own.toString().replaceAll('%2F', '/').replaceAll('%3A', ':')}`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** HTML that no name can break out of. */
export function snippetOf(origin: string, query: URLSearchParams, snippet: Snippet): string {
  const { width, height, title } = snippet;
  const src = escaped(addressOf(origin, query, snippet));
  return `<iframe src="${src}" width="${width}" height="${height}" title="${escaped(title)}" loading="lazy"></iframe>`;
}
