// The screens in a real browser, against the collector at AZIMUTH_URL, or against the fake one when that is unset.
// Checks what unit tests cannot: strict CSP, no request off the origin, accessibility (axe), keyboard, live refresh, failure.
// Usage: node browser/run.mjs [name-filter]
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { startFakeCollector } from '../dev/fake-collector.mjs';
import { alertTests } from './alerts.mjs';
import { launch } from './chromium.mjs';
import { compareTests } from './compare.mjs';
import { endTests } from './ends.mjs';
import { evidenceTests } from './evidence.mjs';
import { accessTests } from './access.mjs';
import { habitTests } from './habits.mjs';
import { matrixTests } from './matrix.mjs';
import { overviewTests } from './overview.mjs';
import { pairTests } from './pair.mjs';
import { screenTests } from './screens.mjs';
import { settingsTests } from './settings.mjs';
import { statusTests } from './status.mjs';
import { throughputTests } from './throughput.mjs';
import { tokenTests } from './tokens.mjs';
import { zoomTests } from './zoom.mjs';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const fake = process.env.AZIMUTH_URL ? null : await startFakeCollector({ port: 0, dist });
const base = process.env.AZIMUTH_URL?.replace(/\/$/, '') ?? `http://127.0.0.1:${fake.address().port}`;
const origin = new URL(base).origin;
const browser = await launch();
const filter = process.argv[2] ?? '';

/** A page that remembers everything it must never do. `allow` names console errors a test provokes on purpose. */
async function open(
  path,
  { theme = 'light', width = 1440, bypassCSP = false, lang = 'en', timezoneId = 'UTC', route, allow } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    locale: 'en-GB',
    timezoneId,
    bypassCSP,
  });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !allow?.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol))
      faults.push(`off-origin: ${url}`);
  });
  await page.addInitScript(() => {
    window.cspViolations = [];
    document.addEventListener('securitypolicyviolation', (e) =>
      window.cspViolations.push(`${e.violatedDirective} ${e.blockedURI}`),
    );
  });
  if (route) await route(page);
  const response = await page.goto(`${base}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
  const policy = response.headers()['content-security-policy'] ?? '';
  assert.ok(
    policy.includes("default-src 'none'") && !policy.includes('unsafe'),
    `CSP is not the strict one: ${policy}`,
  );
  return {
    page,
    async clean() {
      const violations = await page.evaluate(() => window.cspViolations);
      assert.deepEqual([...faults, ...violations], [], path);
      await context.close();
    },
  };
}

const api = async (path) => (await fetch(`${base}/api/v1/${path}`)).json();
const cells = (await api('map')).cells;
assert.ok(cells.length > 0, 'the collector under test has no measurement in the last five minutes');
const best = cells.find((cell) => cell.n >= 20 && cell.p50_us !== null);
const pair = `/pair?agent=${best.agent}&zone=${best.zone.replaceAll('%', '%25')}`;
const SCREENS = {
  map: { path: `/?agent=${best.agent}`, ready: 'table tbody tr td.value' },
  matrix: { path: '/matrix', ready: 'table[role=grid] tbody td a' },
  pair: { path: pair, ready: '.heat canvas' },
  agent: { path: `/agent?agent=${best.agent}`, ready: 'td.p50 strong' },
  zone: { path: `/zone?zone=${best.zone.replaceAll('%', '%25')}`, ready: 'td.p50 strong' },
  compare: { path: '/compare?from=now-5m', ready: 'section[aria-labelledby=curves-title] path.curve[d^=M]' },
  alerts: { path: '/alerts', ready: '.alerts-screen section[aria-labelledby=rules-title]' },
  settings: { path: '/settings', ready: 'section[aria-labelledby=catalogue-title] tbody td' },
  status: { path: '/status', ready: '.status-screen table tbody tr td.silent' },
};

const tests = {};

Object.assign(tests, screenTests({ open, screens: SCREENS }));
Object.assign(tests, endTests({ open, api, best, screens: SCREENS }));
Object.assign(tests, pairTests({ open, pair, screens: SCREENS }));
Object.assign(tests, evidenceTests({ open, base, pair, screens: SCREENS }));
Object.assign(tests, statusTests({ open, api, screens: SCREENS }));
Object.assign(tests, alertTests({ open, api, base, best, pair }));
Object.assign(tests, overviewTests({ open, api, best }));
Object.assign(tests, matrixTests({ open, api, best }));
Object.assign(tests, compareTests({ open, api }));
Object.assign(tests, zoomTests({ open, best }));
Object.assign(tests, throughputTests({ open, api, best, pair }));
Object.assign(tests, settingsTests({ open, api, best }));
Object.assign(tests, tokenTests({ open, api, best }));
Object.assign(tests, habitTests({ open, best, pair, screens: SCREENS }));
Object.assign(tests, accessTests({ open }));

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  if (!name.includes(filter)) continue;
  const started = performance.now();
  try {
    await test();
    console.log(`ok    ${name} (${Math.round(performance.now() - started)} ms)`);
  } catch (error) {
    failed += 1;
    console.error(`FAIL  ${name}\n      ${String(error.message ?? error).replaceAll('\n', '\n      ')}`);
  }
}
await browser.close();
fake?.close();
console.log(
  failed === 0
    ? `all browser checks passed against ${fake ? 'the fake collector' : base}`
    : `${failed} browser checks failed`,
);
process.exit(failed === 0 ? 0 : 1);
