// What the screens take, in a table beside what they may: first useful paint, a step of the matrix, a redraw of a pair at
// 1,800 x 1,000, sizes, requests off the origin, the CSP, accessibility and contrast. Against AZIMUTH_URL, or the fake collector.
// Prints and asserts nothing: figures of a busy machine are no verdict. The sizes are checked by `npm run build`.
import { fileURLToPath } from 'node:url';
import { startFakeCollector } from '../dev/fake-collector.mjs';
import { BUDGETS, weightsOf } from '../scripts/weights.mjs';
import { axeSource } from './check.mjs';
import { launch } from './chromium.mjs';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const fake = process.env.AZIMUTH_URL ? null : await startFakeCollector({ port: 0, dist });
const base = process.env.AZIMUTH_URL?.replace(/\/$/, '') ?? `http://127.0.0.1:${fake.address().port}`;
const origin = new URL(base).origin;
const browser = await launch();
const TIMES = 5;
const rows = [];
const row = (what, is, may) => rows.push([what, is, may]);
const offOrigin = new Set();

const { cells } = await (await fetch(`${base}/api/v1/map`)).json();
const best = cells.find((cell) => cell.n >= 20);
const pair = `/pair?agent=${best.agent}&zone=${best.zone}&refresh=0`;

async function open(path, ready, viewport = { width: 1440, height: 900 }, options = {}) {
  const context = await browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol)) offOrigin.add(url.href);
  });
  await page.addInitScript((selector) => {
    const look = () => {
      if (window.usefulAt === undefined && document.querySelector(selector))
        requestAnimationFrame(() => (window.usefulAt ??= performance.now()));
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
  }, ready);
  await page.goto(base + path);
  await page.waitForFunction(() => window.usefulAt !== undefined, null, { timeout: 30_000 });
  return { page, context };
}

const shown = (all) => {
  const sorted = [...all].sort((a, b) => a - b);
  return `${sorted[sorted.length >> 1].toFixed(1)} ms (${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)}, n = ${all.length})`;
};

for (const [name, path, ready] of [
  ['map', `/?agent=${best.agent}&refresh=0`, 'table tbody tr td.value'],
  ['matrix', '/matrix?refresh=0', 'table[role=grid] tbody td a'],
  ['pair', pair, '.heat canvas'],
]) {
  const all = [];
  for (let i = 0; i < TIMES; i += 1) {
    const { page, context } = await open(path, ready);
    all.push(await page.evaluate(() => window.usefulAt));
    await context.close();
  }
  row(`first useful paint, ${name}`, shown(all), '1,000 ms');
}

/** From a change of a choice (a select's value or a button of that name) to style and layout done, in the page's own thread. */
const change = (page, values) =>
  page.evaluate(
    async ({ values, times }) => {
      const select = [...document.querySelectorAll('select')].find((one) =>
        values.every((value) => [...one.options].some((option) => option.value === value)),
      );
      const buttons = [...document.querySelectorAll('.segments button')];
      const choose = (value) => {
        if (!select) return buttons.find((one) => one.textContent.trim() === value).click();
        select.value = value;
        select.dispatchEvent(new Event('change', { bubbles: true }));
      };
      const all = [];
      for (let i = 0; i < times; i += 1) {
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 30)));
        const from = performance.now();
        choose(values[i % values.length]);
        // Svelte writes the page in microtasks.
        for (let turn = 0; turn < 20; turn += 1) await null;
        void document.body.offsetHeight;
        all.push(performance.now() - from);
      }
      // The first is warm-up.
      return all.slice(1);
    },
    { values, times: TIMES + 1 },
  );

const matrix = await open('/matrix?refresh=0', 'table[role=grid] tbody td a');
row('matrix, the idle table to another metric', shown(await change(matrix.page, ['p90', 'p50'])), '60 ms');
await matrix.context.close();

// While the slider moves, a frame is drawn on a canvas over the table; the page takes the time itself.
const back = await open('/matrix?refresh=0', 'table[role=grid] tbody td a');
await back.page.click('main button:text-is("Look back")');
await back.page.waitForSelector('text=Drag, or use', { timeout: 120_000 });
for (let i = 0; i <= 2 * TIMES; i += 1) {
  await back.page.locator('input[type=range]').evaluate((input, value) => {
    input.value = String(value);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }, 20 - i);
  await back.page.waitForTimeout(60);
}
const frames = await back.page.evaluate(() =>
  performance.getEntriesByName('matrix-frame', 'measure').map((one) => one.duration),
);
// The first asks the page where its cells are.
row('matrix, a step while looking back', frames.length > 1 ? shown(frames.slice(1)) : 'none drawn', '16 ms');
await back.context.close();
const wide = await open(pair, '.heat canvas', { width: 1800, height: 1000 });
await wide.page.waitForTimeout(500);
row('pair, redraw at 1,800 x 1,000', shown(await change(wide.page, ['dark', 'light'])), '60 ms');
await wide.context.close();

for (const [name, path, ready] of [
  ['map', `/?agent=${best.agent}`, 'table tbody tr td.value'],
  ['matrix', '/matrix', 'table[role=grid] tbody td a'],
  ['pair', pair, '.heat canvas'],
  ['compare', '/compare?from=now-5m', 'path.curve[d^=M]'],
  ['agent', `/agent?agent=${best.agent}`, 'td.p50 strong'],
  ['zone', `/zone?zone=${best.zone}`, 'td.p50 strong'],
  ['alerts', '/alerts', 'section[aria-labelledby=rules-title]'],
  ['status', '/status', '.status-screen table tbody tr'],
  ['settings', '/settings', 'section[aria-labelledby=catalogue-title] tbody td'],
]) {
  const found = { serious: 0, contrast: 0 };
  for (const colorScheme of ['light', 'dark']) {
    const { page, context } = await open(path, ready, undefined, { colorScheme, bypassCSP: true });
    await page.waitForTimeout(300);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
    for (const one of violations) {
      if (['serious', 'critical'].includes(one.impact)) found.serious += one.nodes.length;
      if (one.id === 'color-contrast') found.contrast += one.nodes.length;
    }
    await context.close();
  }
  row(`axe serious, ${name}, light and dark`, String(found.serious), '0');
  row(`below AA contrast, ${name}`, String(found.contrast), '0');
}
row('requests off the origin', String(offOrigin.size), '0');

const policy = (await fetch(base)).headers.get('content-security-policy') ?? 'none';
row(
  'CSP, what is unsafe in it',
  policy.includes("default-src 'none'") ? String(policy.split('unsafe').length - 1) : 'no strict CSP',
  '0',
);

const { weights, faults } = weightsOf(dist);
const largest = weights.filter(([budget]) => budget === 'a screen').toSorted((a, b) => b[2] - a[2])[0];
for (const [budget, name, weight] of weights)
  if (budget !== 'a screen' || name === largest[1]) {
    const what = {
      'JS + CSS': 'script and style of the first load',
      'all JS + CSS': 'script and style of all screens',
    }[name];
    const screen = budget === 'a screen' ? `the heaviest screen (${name.slice(2)})` : name;
    row(`${what ?? screen}, gzip`, `${weight.toFixed(1)} KiB`, `${BUDGETS[budget]} KiB`);
  }
for (const fault of faults) row(fault, '1', '0');

const width = (column) => Math.max(...rows.map((one) => one[column].length));
for (const [what, is, may] of [['', `${fake ? 'synthetic data' : base}`, 'at most'], ...rows])
  console.log(`${what.padEnd(width(0))}  ${is.padEnd(width(1))}  ${may}`);
await browser.close();
fake?.close();
