// A drawing on the screen as a file: a panel's canvases and SVGs put into one SVG that needs no style sheet, and that as PNG.
// Touches the document; what a view asks is model.ts.

const STYLES = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linecap',
  'stroke-linejoin',
  'stroke-opacity',
  'opacity',
  'paint-order',
  'font-size',
  'font-weight',
  'font-family',
  'text-anchor',
  'display',
  'visibility',
];
const SVG = 'http://www.w3.org/2000/svg';
/** Smaller ones are marks in a table, which say nothing without it. */
const LEAST = { width: 200, height: 120 };
/** Pixels of the PNG per pixel of the screen: sharp in a document. */
const DENSITY = 2;

export interface Drawing {
  name: string;
  panel: Element;
}

const outer = (panel: Element): (SVGSVGElement | HTMLCanvasElement)[] =>
  [...panel.querySelectorAll<SVGSVGElement | HTMLCanvasElement>('svg, canvas')].filter(
    (one) => one.parentElement?.closest('svg') === null && one.getBoundingClientRect().width > 0,
  );

/** Every panel with a drawing large enough to stand alone, by its heading. */
export function drawings(root: ParentNode): Drawing[] {
  return [...root.querySelectorAll('.panel')]
    .filter((panel) =>
      outer(panel).some((one) => {
        const { width, height } = one.getBoundingClientRect();
        return width >= LEAST.width && height >= LEAST.height;
      }),
    )
    .map((panel) => ({
      panel,
      name: (panel.querySelector('h2')?.textContent ?? panel.getAttribute('aria-label') ?? '').trim(),
    }));
}

/** A copy that looks the same without the page's style sheets: computed styles as attributes. */
function standalone(svg: SVGSVGElement): SVGSVGElement {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const [from, to] = [
    [svg, ...svg.querySelectorAll('*')],
    [copy, ...copy.querySelectorAll('*')],
  ] as const;
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    const target = to[i]!;
    for (const name of STYLES) target.setAttribute(name, style.getPropertyValue(name));
    for (const name of ['class', 'style', 'tabindex', 'href', 'onclick']) target.removeAttribute(name);
  });
  return copy;
}

/** One SVG of everything drawn in the panel, with its headings, when it was, and inside where it came from. */
export function svgOf(
  { panel }: Drawing,
  { title, range, source }: { title: string; range: string; source: string },
): { text: string; width: number; height: number } {
  const [box, head] = [panel.getBoundingClientRect(), 40];
  const root = document.createElementNS(SVG, 'svg');
  const [width, height] = [Math.ceil(box.width), Math.ceil(box.height) + head];
  root.setAttribute('xmlns', SVG);
  root.setAttribute('viewBox', `0 0 ${width} ${height}`);
  root.setAttribute('width', String(width));
  root.setAttribute('height', String(height));
  const add = (tag: string, attributes: Record<string, string | number>, text = ''): void => {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    element.textContent = text;
    root.append(element);
  };
  const ink = getComputedStyle(panel);
  add('title', {}, title);
  add('desc', {}, source);
  add('rect', { width, height, fill: ink.backgroundColor });
  const font = { 'font-family': ink.fontFamily, fill: ink.color };
  add('text', { x: 16, y: 18, 'font-size': 13, 'font-weight': 650, ...font }, title);
  add('text', { x: 16, y: 34, 'font-size': 12, ...font }, range);
  for (const heading of panel.querySelectorAll('h2')) {
    const [at, style] = [heading.getBoundingClientRect(), getComputedStyle(heading)];
    const place = { x: at.left - box.left, y: at.bottom - box.top + head - at.height / 4 };
    const look = { 'font-size': style.fontSize, 'font-weight': style.fontWeight };
    add('text', { ...place, ...look, ...font }, (heading.textContent ?? '').trim());
  }
  for (const one of outer(panel)) {
    const at = one.getBoundingClientRect();
    const place = { x: at.left - box.left, y: at.top - box.top + head, width: at.width, height: at.height };
    if (one instanceof HTMLCanvasElement) {
      add('image', { ...place, href: one.toDataURL('image/png') });
    } else {
      const copy = standalone(one);
      for (const [key, value] of Object.entries(place)) copy.setAttribute(key, String(value));
      root.append(copy);
    }
  }
  return { text: new XMLSerializer().serializeToString(root), width, height };
}

export async function pngOf(svg: { text: string; width: number; height: number }): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.text)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [svg.width * DENSITY, svg.height * DENSITY];
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('the picture could not be made'))),
      'image/png',
    ),
  );
}

export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
