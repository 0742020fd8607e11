// The screens in a real browser, against the collector at AZIMUTH_URL, or against the fake one when that is unset.
// Checks what unit tests cannot: strict CSP, no request off the origin, accessibility (axe), keyboard, live refresh, failure.
// Usage: node browser/run.mjs [name-filter]
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startFakeCollector } from '../dev/fake-collector.mjs';
import { alertTests } from './alerts.mjs';
import { axeSource, json, WAIT } from './check.mjs';
import { launch } from './chromium.mjs';
import { compareTests } from './compare.mjs';
import { accessTests } from './access.mjs';
import { habitTests } from './habits.mjs';
import { matrixTests } from './matrix.mjs';
import { overviewTests } from './overview.mjs';
import { settingsTests } from './settings.mjs';
import { throughputTests } from './throughput.mjs';
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

for (const [name, { path, ready }] of Object.entries(SCREENS)) {
  for (const theme of ['light', 'dark']) {
    tests[`${name} renders with data, ${theme}, within the CSP and the origin`] = async () => {
      const { page, clean } = await open(path, { theme });
      await page.waitForSelector(ready, WAIT);
      const background = await page.evaluate(
        () => getComputedStyle(document.documentElement).backgroundColor,
      );
      const bright =
        background
          .match(/\d+/g)
          .slice(0, 3)
          .reduce((a, b) => a + Number(b), 0) / 3;
      assert.equal(bright > 128, theme === 'light', `background ${background}`);
      await clean();
    };
    tests[`${name} has no serious accessibility fault, ${theme}`] = async () => {
      const { page, clean } = await open(path, { theme, bypassCSP: true });
      await page.waitForSelector(ready, WAIT);
      await page.waitForTimeout(300);
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
      const serious = violations
        .filter((one) => ['serious', 'critical'].includes(one.impact))
        .map(
          (one) =>
            `${one.id}: ${one.nodes.length}, e.g. ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary}`,
        );
      assert.deepEqual(serious, []);
      await clean();
    };
  }
  tests[`${name} fits a phone without scrolling sideways`] = async () => {
    const { page, clean } = await open(path, { width: 390 });
    await page.waitForSelector(ready, WAIT);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${wide} px too wide`);
    await clean();
  };
  if (name === 'matrix') {
    tests['on a phone, too, two vantage points in one city can be told apart'] = async () => {
      const { page, clean } = await open(path, { width: 390 });
      await page.waitForSelector(ready, WAIT);
      const rows = await page.locator('tbody th').evaluateAll((headers) => headers.map((h) => h.innerText));
      assert.deepEqual(rows, [...new Set(rows)]);
      await clean();
    };
  }
  tests[`${name} speaks French`] = async () => {
    const { page, clean } = await open(path, { lang: 'fr' });
    await page.waitForSelector(ready, WAIT);
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'fr');
    assert.match(await page.textContent('nav'), /Aperçu/);
    await clean();
  };
}

tests['the map tells the closest zone, as the API does'] = async () => {
  const { page, clean } = await open(SCREENS.map.path);
  await page.waitForSelector(SCREENS.map.ready, WAIT);
  const first = await page.textContent('table tbody tr:first-child .id');
  assert.match(await page.textContent('h1'), new RegExp(first.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  const values = (
    await page.$$eval('table tbody tr:not(.few) td.value', (all) => all.map((td) => Number(td.textContent)))
  ).filter(Number.isFinite);
  assert.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
    'the list is ranked',
  );
  await page.waitForSelector('svg path.land[d^="M"]', WAIT);
  await clean();
};

tests['the map and the list point at each other'] = async () => {
  const { page, clean } = await open(SCREENS.map.path);
  await page.waitForSelector('svg a.metro', WAIT);
  await page.waitForSelector('svg .arcs path', { ...WAIT, state: 'attached' });
  await page.focus('svg a.metro:has(circle[fill^=rgb])');
  await page.waitForSelector('tr.kin', WAIT);
  const lines = (await page.$$('svg .arcs > g')).length;
  const faded = (await page.$$('svg .arcs > g.faded')).length;
  assert.equal(faded, lines - 1, 'every other line steps back');
  await clean();
};

tests['arrow keys move through the matrix and Enter opens the pair'] = async () => {
  const { page, clean } = await open('/matrix');
  await page.waitForSelector(SCREENS.matrix.ready, WAIT);
  assert.equal((await page.$$('td a[tabindex="0"]')).length, 1, 'one tab stop');
  await page.focus('a[data-cell="0-0"]');
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowLeft']) await page.keyboard.press(key);
  const focus = await page.evaluate(() => [
    document.activeElement.dataset.cell,
    document.activeElement.getAttribute('href'),
  ]);
  assert.equal(focus[0], '1-1');
  await page.waitForSelector('.tip', WAIT);
  await page.keyboard.press('Enter');
  await page.waitForFunction((href) => location.pathname + location.search === href, focus[1], WAIT);
  assert.match(page.url(), /\/pair\?/);
  await page.waitForSelector('h1', WAIT);
  await clean();
};

tests['a fixed range is not moved by live refresh, and is asked once'] = async () => {
  const to = new Date(Math.floor(Date.now() / 10_000) * 10_000 - 60_000);
  const from = new Date(to - 600_000);
  const [a, b] = [from, to].map((at) => at.toISOString().replace('.000Z', 'Z'));
  const { page, clean } = await open(`${pair}&from=${a}&to=${b}&refresh=0.3&unknown=kept`);
  const asked = [];
  page.on(
    'request',
    (request) => /series|heatmap|distribution/.test(request.url()) && asked.push(request.url()),
  );
  await page.waitForSelector(SCREENS.pair.ready, WAIT);
  const axis = await page.textContent('.charts');
  const before = asked.length;
  await page.waitForTimeout(1500);
  assert.equal(asked.length, before, 'no further question about a fixed range');
  assert.equal(await page.textContent('.charts'), axis);
  const url = new URL(page.url());
  assert.deepEqual(
    [url.searchParams.get('from'), url.searchParams.get('to'), url.searchParams.get('unknown')],
    [a, b, 'kept'],
  );
  await clean();
};

tests['a change of path is a mark that tells the hops before and after, by keyboard and in French'] =
  async () => {
    const { page, clean } = await open(pair, {
      lang: 'fr',
      route: (page) =>
        page.route('**/api/v1/paths?*', async (route) => {
          const url = new URL(route.request().url());
          const at = new Date(Date.now() - 20 * 60_000).toISOString().replace(/\.\d+Z/, 'Z');
          const hop = (number, address) => ({
            hop: number,
            addresses: [address],
            sent: 3,
            answered: 3,
            min_us: number * 900,
            median_us: number * 950,
          });
          const path = (addresses) => ({
            reached: true,
            hops: addresses.map((one, index) => hop(index + 1, one)),
          });
          const change = {
            at,
            reason: 'delay_shift',
            before: path(['10.88.1.2', '10.88.3.2']),
            after: path(['10.88.1.2', '10.88.4.2']),
            differs_at: [2],
          };
          const target = {
            target: 'one',
            address: '10.88.9.2:8620',
            method: 'stamp',
            current: null,
            changes: [change],
          };
          const { agent, zone } = Object.fromEntries(url.searchParams);
          await route.fulfill({ json: { from: at, to: at, agent, zone, targets: [target] } });
        }),
    });
    const mark = await page.waitForSelector('.marks button', WAIT);
    const [box, heat] = [await mark.boundingBox(), await (await page.$('.heat canvas')).boundingBox()];
    const share = (box.x + box.width / 2 - heat.x) / heat.width;
    assert.ok(Math.abs(share - 2 / 3) < 0.02, `20 minutes before the end of an hour, and not at ${share}`);
    await mark.focus();
    const rows = await page.$$eval('#path-change tbody tr', (found) => found.map((row) => row.textContent));
    assert.equal(rows.length, 2);
    assert.match(rows[1], /10\.88\.3\.2.*10\.88\.4\.2/s);
    assert.equal(await page.$$eval('#path-change tr.differs', (found) => found.length), 1);
    assert.match(await page.textContent('#path-change'), /Chemin modifié.*Avant.*Après/s);
    await page.keyboard.press('Escape');
    assert.equal(await page.$('#path-change table'), null);
    await clean();
  };

tests['a live range is refreshed'] = async () => {
  const { page, clean } = await open(`${SCREENS.map.path}&refresh=0.3`);
  let asked = 0;
  page.on('request', (request) => (asked += request.url().includes('/api/v1/map') ? 1 : 0));
  await page.waitForSelector(SCREENS.map.ready, WAIT);
  await page.waitForTimeout(1500);
  assert.ok(asked >= 3, `asked ${asked} times`);
  await clean();
};

tests['dragging zooms to absolute times, Back and a double click undo it'] = async () => {
  const { page, clean } = await open(pair);
  await page.waitForSelector('.brush', WAIT);
  await page.waitForTimeout(200);
  const box = await (await page.$('.brush')).boundingBox();
  const y = box.y + 100;
  const drag = async () => {
    await page.mouse.move(box.x + box.width * 0.4, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.7, y, { steps: 5 });
    await page.mouse.up();
    await page.waitForFunction(() => /to=\d{4}-\d\d-\d\dT/.test(location.search), null, WAIT);
  };
  await drag();
  const zoomed = new URL(page.url()).searchParams;
  assert.ok(Date.parse(zoomed.get('to')) - Date.parse(zoomed.get('from')) < 3_600_000 / 2);
  await page.goBack();
  await page.waitForFunction(() => !location.search.includes('to='), null, WAIT);
  await page.waitForTimeout(300);
  await drag();
  await page.waitForTimeout(300);
  await page.mouse.dblclick(box.x + box.width * 0.5, y);
  await page.waitForFunction(() => !/to=\d/.test(location.search), null, WAIT);
  await clean();
};

tests['a snapshot shows what was answered then, without asking again, and says so when it is gone'] =
  async () => {
    const [from, to] = [20, 10].map((m) =>
      new Date(Date.now() - m * 60_000).toISOString().replace(/\.\d+Z/, 'Z'),
    );
    const { page, clean } = await open(`${pair}&from=${from}&to=${to}`);
    await page.waitForSelector(SCREENS.pair.ready, WAIT);
    await page.locator('header button.export').click();
    await page.getByRole('button', { name: 'Keep a snapshot' }).click();
    const link = await page.waitForSelector('.freeze a', WAIT);
    const path =
      new URL(await link.getAttribute('href')).pathname + new URL(await link.getAttribute('href')).search;
    const seen = await page.textContent('.tiles');
    await clean();

    const kept = await open(path, { lang: 'fr', timezoneId: 'Europe/Paris' });
    const asked = [];
    kept.page.on('request', (request) => request.url().includes('/api/') && asked.push(request.url()));
    await kept.page.waitForSelector(SCREENS.pair.ready, WAIT);
    await kept.page.waitForSelector('.snapshot', WAIT);
    assert.match(await kept.page.textContent('.snapshot'), /Instantané du .* UTC\+1/);
    const digits = (text) => text.replace(/\D/g, '');
    assert.equal(digits(await kept.page.textContent('.tiles')), digits(seen), 'the figures that were kept');
    assert.match(kept.page.url(), /\/pair\?.*snapshot=/);
    await kept.page.reload();
    await kept.page.waitForSelector(SCREENS.pair.ready, WAIT);
    // Another screen was not kept, and nothing is asked of the collector to fill it.
    await kept.page.locator('nav a[href^="/matrix"]').click();
    await kept.page.waitForSelector('text=instantané', WAIT);
    assert.deepEqual([...new Set(asked.map((url) => new URL(url).pathname.split('/')[3]))], ['snapshots']);
    await kept.clean();

    const gone = await open('/snapshot?id=ffffffffffffffffffffffff', { allow: /Failed to load resource/ });
    await gone.page.waitForSelector('.missing h1', WAIT);
    await gone.clean();
  };

tests['a table is taken away as French spreadsheets read it, and the series as a log'] = async () => {
  const { page, clean } = await open(pair, { lang: 'fr' });
  await page.waitForSelector(SCREENS.pair.ready, WAIT);
  await page.locator('header button.export').click();
  const [download] = await Promise.all([
    page.waitForEvent('download', WAIT),
    page.getByRole('button', { name: 'CSV français' }).first().click(),
  ]);
  const text = readFileSync(await download.path(), 'utf8');
  assert.match(text, /^\ufeff.*;.*\r\n/);
  assert.ok(/envoyées|taux_de_perte/.test(text.split('\r\n')[0]), text.slice(0, 200));
  assert.match(await page.locator('a[href*="format=hlog"]').getAttribute('href'), /agent=.*method=stamp/);
  await clean();
};

tests['each panel stands alone in a page, in its language and theme, with a link back'] = async () => {
  const query = pair.slice('/pair?'.length);
  const panels = {
    heatmap: '.heat canvas',
    bands: '.u-wrap canvas',
    loss: 'main.embed svg',
    curve: 'figure svg',
    ranking: 'main.embed li',
    matrix: 'table[role=grid] tbody td a:not(:empty)',
  };
  for (const [panel, ready] of Object.entries(panels)) {
    const path = `/embed?panel=${panel}&${query}&width=500&height=240&theme=dark`;
    const { page, clean } = await open(path, { lang: 'fr', width: 520 });
    await page.waitForSelector(ready, WAIT);
    assert.equal(await page.$('nav'), null, 'no bar');
    const back = page.getByRole('link', { name: 'Ouvrir dans Azimuth' });
    assert.match(
      await back.getAttribute('href'),
      { ranking: /^\/\?/, matrix: /^\/matrix\?/ }[panel] ?? /^\/pair\?/,
    );
    assert.equal(await page.getAttribute('html', 'lang'), 'fr');
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 520, `${panel} fits`);
    await clean();
  }
  const { page, clean } = await open('/embed?panel=%3Cimg src=x%3E&agent=nobody');
  assert.match(await page.textContent('[role=alert]'), /<img src=x>.*heatmap/);
  await clean();
};

tests['a rectangle of time and delay is explained, by button, by hand, and from its address, in French too'] =
  async () => {
    const { page, clean } = await open(`${pair}&from=now-2m`, { lang: 'fr' });
    await page.waitForSelector(SCREENS.pair.ready, WAIT);
    await page.getByRole('button', { name: 'Qu’est-ce qui ressort' }).click();
    await page.waitForSelector('.explain .number', WAIT);
    assert.match(await page.textContent('.explain'), /dedans.*dehors.*Examinés/s);
    const first = new URL(page.url()).searchParams;
    assert.match(first.get('to'), /^\d{4}-/, 'what is read does not move');
    const heat = await (await page.$('.heat')).boundingBox();
    await page.mouse.move(heat.x + heat.width * 0.5, heat.y + heat.height * 0.1);
    await page.mouse.down();
    await page.mouse.move(heat.x + heat.width * 0.8, heat.y + heat.height * 0.97, { steps: 5 });
    await page.mouse.up();
    await page.waitForFunction(
      (before) => new URLSearchParams(location.search).get('box') !== before,
      first.get('box'),
      WAIT,
    );
    const [from, to, low, high] = new URL(page.url()).searchParams.get('box').split('~');
    assert.ok(Date.parse(to) - Date.parse(from) < 1_800_000 && Number(low) < Number(high));
    assert.ok(await page.$('.heat rect.box'), 'the rectangle is drawn');
    await page.reload();
    await page.waitForSelector('.explain .number', WAIT);
    assert.equal(new URL(page.url()).searchParams.get('box'), [from, to, low, high].join('~'));
    const input = page.locator('.explain input').first();
    await input.fill(String(Number(low) / 2000));
    await input.press('Enter');
    await page.waitForFunction((low) => !location.search.includes(`~${low}~`), low, WAIT);
    await page.getByRole('button', { name: 'Fermer' }).click();
    assert.equal(await page.$('.explain'), null);
    await clean();
  };

tests['the keyboard reads and zooms the charts too'] = async () => {
  const { page, clean } = await open(pair);
  await page.waitForSelector('.brush', WAIT);
  await page.focus('.brush');
  await page.keyboard.press('ArrowLeft');
  assert.match(await page.getAttribute('.brush', 'aria-valuetext'), /p50|no data/);
  for (let i = 0; i < 12; i += 1) await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /to=\d{4}-/.test(location.search), null, WAIT);
  await clean();
};

tests['when the collector goes away the numbers stay and the page says since when'] = async () => {
  let down = false;
  const { page, clean } = await open(`${SCREENS.map.path}&refresh=0.3`, {
    allow: /Failed to load resource/,
    route: (p) => p.route('**/api/**', (route) => (down ? route.abort() : route.continue())),
  });
  await page.waitForSelector(SCREENS.map.ready, WAIT);
  down = true;
  await page.waitForSelector('.status.down', WAIT);
  assert.match(await page.textContent('.status'), /unreachable since \d\d:\d\d:\d\d/);
  assert.ok((await page.$$('table tbody tr td.value')).length > 0, 'the last numbers are still there');
  down = false;
  await page.waitForSelector('.status:not(.down)', WAIT);
  await clean();
};

tests['a fresh install says what to do'] = async () => {
  const { page, clean } = await open('/', {
    route: async (p) => {
      await p.route('**/api/v1/agents', (route) =>
        route.fulfill(json({ now: '2026-11-23T10:00:00Z', agents: [] })),
      );
      await p.route('**/api/v1/zones', (route) => route.fulfill(json({ zones: [] })));
    },
  });
  await page.waitForSelector('text=azimuth-agent run', WAIT);
  await clean();
};

tests['a question the collector refuses is answered in its own words'] = async () => {
  const { page, clean } = await open('/?from=now-1m&to=now-5m', { allow: /Failed to load resource/ });
  await page.waitForSelector('.fault', WAIT);
  assert.match(await page.textContent('.fault'), /refuses/);
  await clean();
};

tests['the clock on screen is the one chosen, and is always named'] = async () => {
  for (const [clock, name] of [
    ['utc', /^UTC$/],
    ['local', /^UTC[+]1$/],
  ]) {
    const { page, clean } = await open(`${pair}&clock=${clock}`, { timezoneId: 'Africa/Lagos' });
    await page.waitForSelector('.charts text.zone', WAIT);
    assert.match(await page.textContent('.charts text.zone'), name);
    await clean();
  }
};

tests['the numbers can be taken away as CSV'] = async () => {
  const { page, clean } = await open(pair);
  await page.waitForSelector(SCREENS.pair.ready, WAIT);
  const [download] = await Promise.all([page.waitForEvent('download', WAIT), page.click('text=CSV')]);
  const text = readFileSync(await download.path(), 'utf8');
  assert.match(text, /^start_at_utc,step_s,agent,zone,/);
  assert.ok(text.trim().split('\r\n').length > 1);
  assert.match(download.suggestedFilename(), /^azimuth_.*\.csv$/);
  await clean();
};

tests['the keyboard sheet opens on ?, keeps the focus, closes on Esc, and can turn single keys off'] =
  async () => {
    const { page, clean } = await open('/matrix', { bypassCSP: true });
    await page.waitForSelector(SCREENS.matrix.ready, WAIT);
    await page.focus('input[type=search]');
    await page.keyboard.type('?');
    assert.equal(await page.locator('dialog').count(), 0, 'a field takes its letters itself');
    await page.fill('input[type=search]', '');
    await page.focus('#main');
    await page.keyboard.press('3');
    await page.waitForFunction(() => location.search.includes('metric=p99'), null, WAIT);
    await page.keyboard.press('Shift+?');
    await page.waitForSelector('dialog[open] kbd', WAIT);
    assert.ok(await page.evaluate(() => document.querySelector('dialog').contains(document.activeElement)));
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() =>
      window.axe.run('dialog', { resultTypes: ['violations'] }),
    );
    assert.deepEqual(
      violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => one.id),
      [],
    );
    await page.uncheck('dialog input[type=checkbox]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { ...WAIT, state: 'detached' });
    await page.keyboard.press('s');
    await page.keyboard.press('Shift+?');
    await page.waitForTimeout(200);
    assert.equal(new URL(page.url()).pathname, '/matrix', 'turned off');
    assert.equal(await page.locator('dialog').count(), 0);
    await page.click('header .keys');
    await page.check('dialog input[type=checkbox]');
    await page.click('dialog >> text=Close');
    await page.waitForSelector('dialog', { ...WAIT, state: 'detached' });
    await page.keyboard.press('s');
    await page.waitForSelector(SCREENS.status.ready, WAIT);
    await clean();
  };

tests['the pages of an agent and of a zone say what the map says, sort by keyboard, and lead to the pair'] =
  async () => {
    const { page, clean } = await open(`${SCREENS.agent.path}&refresh=0&from=now-5m`);
    await page.waitForSelector(SCREENS.agent.ready, WAIT);
    const agent = (await api('agents')).agents.find((one) => one.agent === best.agent);
    assert.ok((await page.textContent('h1')).includes(agent.vantage_point.name));
    const numbers = async (column) =>
      (await page.locator(`td.${column}`).allTextContents()).map(Number).filter(Number.isFinite);
    const medians = await numbers('p50');
    assert.ok(medians.length > 0);
    assert.deepEqual(
      medians,
      medians.toSorted((a, b) => a - b),
    );
    await page.focus('th.p99 button');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await page.waitForSelector('th.p99[aria-sort=descending]', WAIT);
    const tails = await numbers('p99');
    assert.deepEqual(
      tails,
      tails.toSorted((a, b) => b - a),
    );
    await page.waitForSelector('a[aria-current=true]:text("stamp")', WAIT);
    await page.click('tbody th.name a');
    await page.waitForSelector('.heat canvas', WAIT);
    await page.click('h1 a >> nth=1');
    await page.waitForSelector(SCREENS.zone.ready, WAIT);
    assert.equal(new URL(page.url()).pathname, '/zone');
    assert.ok((await page.locator('th.name a').count()) > 1);
    await clean();
  };

tests['an agent that two hosts report as says so, and how many of its series are kept'] = async () => {
  const answer = await api('agents');
  const agent = answer.agents.find((one) => one.agent === best.agent);
  assert.equal(agent.series_admitted, agent.series);
  for (const [lang, words, series] of [
    ['en', 'Two hosts report as', '2 of 5'],
    ['fr', 'Deux machines parlent au nom de', '2 sur 5'],
  ]) {
    const { page, clean } = await open(`${SCREENS.agent.path}&refresh=0`, {
      lang,
      route: (p) =>
        p.route('**/api/v1/agents', (route) =>
          route.fulfill({
            status: 200,
            contentType: 'application/json',
            body: JSON.stringify({
              ...answer,
              agents: answer.agents.map((one) => ({
                ...one,
                series: 5,
                series_admitted: 2,
                identity_conflicts: 17,
                last_identity_conflict_at: '2026-11-23T10:00:00Z',
              })),
            }),
          }),
        ),
    });
    const told = await page.textContent('.conflict');
    for (const part of [words, agent.agent, '17']) assert.ok(told.includes(part), `${part} in ${told}`);
    assert.ok((await page.textContent('dl')).includes(series));
    await clean();
  }
  const { page, clean } = await open(`${SCREENS.agent.path}&refresh=0`);
  await page.waitForSelector(SCREENS.agent.ready, WAIT);
  assert.equal(await page.locator('.conflict').count(), 0);
  await clean();
};

tests[
  'a comparison says who is ahead, as the map does, and takes its zones from the address and the selects'
] = async () => {
  const to = new Date(Math.floor(Date.now() / 10_000) * 10_000 - 30_000);
  const [a, b] = [new Date(to - 300_000), to].map((at) => at.toISOString().replace('.000Z', 'Z'));
  const byAgent = new Map();
  for (const cell of (await api(`map?from=${a}&to=${b}`)).cells) {
    if (cell.n >= 10) byAgent.set(cell.agent, [...(byAgent.get(cell.agent) ?? []), cell]);
  }
  const [one, two, three] = byAgent.get(best.agent).map((cell) => cell.zone);
  const { page, clean } = await open(`/compare?from=${a}&to=${b}&of=${one},moon,${two}`);
  await page.waitForSelector(SCREENS.compare.ready, WAIT);
  assert.match(await page.textContent('.note'), /moon/);
  const wins = [0, 0];
  let counting = 0;
  for (const cells of byAgent.values()) {
    const [x, y] = [one, two].map((zone) => cells.find((cell) => cell.zone === zone)?.p50_us);
    if (x === undefined || y === undefined) continue;
    counting += 1;
    if (x !== y) wins[x < y ? 0 : 1] += 1;
  }
  const said = (await page.locator('td.wins').allTextContents()).map((text) => /(\d+) of (\d+)/.exec(text));
  assert.deepEqual(
    said.map(([, won, of]) => [Number(won), Number(of)]),
    wins.map((won) => [won, counting]),
  );
  await page.selectOption('select[aria-label="Add a zone"]', three);
  await page.waitForFunction(() => document.querySelectorAll('td.wins').length === 3, null, WAIT);
  assert.deepEqual(new URL(page.url()).searchParams.get('of').split(','), [one, two, three]);
  await page.locator('.slot button').first().focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('td.wins').length === 2, null, WAIT);
  await page.locator('tbody th button').last().press('Enter');
  await page.waitForFunction(() => location.search.includes('agent='), null, WAIT);
  await clean();
};

tests['a view is taken away as commands, tables and pictures'] = async () => {
  const { page, clean } = await open(`${pair}&from=now-5m`);
  await page.waitForSelector(SCREENS.pair.ready, WAIT);
  await page.click('header .export');
  await page.waitForSelector('dialog[open] pre', WAIT);
  const commands = (await page.textContent('dialog pre')).split('\n');
  assert.ok(
    commands.some((line) => /^curl 'http.*\/api\/v1\/series\?.*to=\d{4}-.*'$/.test(line)),
    commands.join(),
  );
  for (const line of commands) assert.equal((await fetch(line.slice(6, -1))).status, 200, line);
  const take = async (kind) => {
    const [file] = await Promise.all([
      page.waitForEvent('download', WAIT),
      page.locator(`dialog button:text-is("${kind}")`).first().click(),
    ]);
    assert.match(file.suggestedFilename(), new RegExp(`^azimuth_[\\w.-]+\\.${kind.toLowerCase()}$`));
    return readFileSync(await file.path());
  };
  const svg = (await take('SVG')).toString();
  assert.match(svg, /^<svg[^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert.match(svg, /<image [^>]*href="data:image\/png/, 'the heat map is in it');
  assert.ok(!/class=|style=|<script/.test(svg), 'it needs nothing of the page');
  const png = await take('PNG');
  assert.deepEqual([...png.subarray(1, 4)], [...Buffer.from('PNG')]);
  assert.ok(png.length > 10_000, `${png.length} bytes`);
  await page.keyboard.press('Escape');
  await page.goto(`${base}/matrix?lang=en`);
  await page.waitForSelector(SCREENS.matrix.ready, WAIT);
  await page.focus('#main');
  await page.keyboard.press('e');
  const href = await page.getAttribute('dialog a[download]', 'href');
  assert.match(href, /^\/api\/v1\/map\?.*format=csv$/);
  await clean();
};

tests['an agent or a zone nobody knows is said to be so'] = async () => {
  for (const path of ['/agent?agent=<b>moon</b>', '/zone?zone=<b>moon</b>/x/y']) {
    const { page, clean } = await open(path);
    await page.waitForSelector('h1:has-text("<b>moon</b>")', WAIT);
    await clean();
  }
};

// The page is given one answer throughout: which of two equally well agents was heard last changes by the second.
const statusOf = (answer) => (page) =>
  page.route('**/api/v1/status?**', (route) => route.fulfill(json(answer)));
const ofStatus = (change) => async (page) => {
  const answer = await api('status?agents=1000');
  change(answer);
  await statusOf(answer)(page);
};

tests['the status says at a glance whether anything needs a person, as the API does'] = async () => {
  const answer = await api('status?agents=1000');
  const { page, clean } = await open('/status', { route: statusOf(answer) });
  await page.waitForSelector(SCREENS.status.ready, WAIT);
  const title = await page.textContent('h1');
  if (answer.concerns.length === 0) assert.match(title, /Nothing needs you/);
  else assert.match(title, new RegExp(`^(One|${answer.concerns.length}) thing`));
  assert.deepEqual(
    await page.locator('section li code').allTextContents(),
    answer.concerns.map((concern) => concern.name),
  );
  assert.equal(await page.locator('.range :first-child').count(), 0, 'no range to choose: it is about now');
  await clean();
};

tests['a collector that is well says nothing else, and one of a later release is quoted'] = async () => {
  const well = ofStatus((answer) => Object.assign(answer, { state: 'healthy', concerns: [] }));
  const { page, clean } = await open('/status', { route: well, lang: 'fr' });
  await page.waitForSelector(SCREENS.status.ready, WAIT);
  assert.match(await page.textContent('h1'), /Rien ne demande/);
  assert.equal(await page.locator('section li').count(), 0);
  await clean();
  const unheard = { name: 'moon_full', detail: 'the moon is full', remedy: 'wait' };
  const later = ofStatus((answer) => Object.assign(answer, { state: 'degraded', concerns: [unheard] }));
  const second = await open('/status', { route: later, lang: 'fr' });
  await second.page.waitForSelector('section li', WAIT);
  assert.match(await second.page.textContent('section li'), /the moon is full[^]*wait/);
  await second.clean();
};

tests['agents are sorted from the keyboard, and the address remembers it'] = async () => {
  const answer = await api('status?agents=1000');
  const { page, clean } = await open('/status', { route: statusOf(answer) });
  await page.waitForSelector(SCREENS.status.ready, WAIT);
  const ids = () => page.locator('th.agent .id').allTextContents();
  const worst = answer.agents.worst.map((one) => one.agent);
  assert.deepEqual(await ids(), worst);
  await page.focus('thead th.agent button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('th.agent[aria-sort=ascending]', WAIT);
  const up = await page.locator('th.agent .name').allTextContents();
  assert.deepEqual(
    up,
    up.toSorted((a, b) => a.localeCompare(b, undefined, { numeric: true })),
  );
  await page.keyboard.press('Enter');
  await page.waitForSelector('th.agent[aria-sort=descending]', WAIT);
  assert.equal(new URL(page.url()).searchParams.get('by'), '-agent');
  await page.click('text=Worst first');
  await page.waitForFunction(() => !location.search.includes('by='), null, WAIT);
  assert.deepEqual(await ids(), worst);
  await clean();
};

tests['names that agents give themselves are inert on the status'] = async () => {
  const hostile = '<img src=x onerror="window.owned=1"><b>bold</b>';
  const { page, clean } = await open('/status', {
    route: ofStatus((answer) => {
      Object.assign(answer.agents.worst[0], { name: hostile, version: hostile });
      answer.refusals = [{ kind: hostile, subject: hostile, reason: hostile, lately: 1, total: 1 }];
      answer.concerns = [{ name: hostile, detail: hostile, remedy: hostile }];
    }),
  });
  await page.waitForSelector(SCREENS.status.ready, WAIT);
  assert.equal(await page.locator('th.agent .name').first().textContent(), hostile);
  assert.equal(
    await page.evaluate(() => window.owned ?? document.querySelectorAll('main img, main b').length),
    0,
  );
  await clean();
};

tests['the status keeps its last picture, greyed, when the collector goes away'] = async () => {
  let down = false;
  const { page, clean } = await open('/status?refresh=0.3', {
    allow: /Failed to load resource/,
    route: (p) => p.route('**/api/**', (route) => (down ? route.abort() : route.continue())),
  });
  await page.waitForSelector(SCREENS.status.ready, WAIT);
  down = true;
  await page.waitForSelector('.status-screen.outdated', WAIT);
  assert.ok((await page.locator('th.agent').count()) > 1);
  down = false;
  await page.waitForSelector('.status-screen:not(.outdated)', WAIT);
  await clean();
};

tests['a screen is loaded when it is opened, and one that cannot be loaded says so and can be tried again'] =
  async () => {
    let broken = true;
    const asked = [];
    const { page, clean } = await open('/matrix', {
      allow: /Failed to load resource|Failed to fetch dynamically/,
      route: (p) =>
        p.route('**/assets/StatusScreen*.js', (route) => {
          asked.push(route.request().url());
          return broken ? route.abort() : route.continue();
        }),
    });
    await page.waitForSelector(SCREENS.matrix.ready, WAIT);
    assert.deepEqual(asked, []);
    await page.click('nav >> text=Status');
    await page.waitForSelector('main [role=alert] button', WAIT);
    broken = false;
    await page.click('main [role=alert] >> text=Try again');
    await page.waitForSelector(SCREENS.status.ready, WAIT);
    await clean();
  };

Object.assign(tests, alertTests({ open, api, base, best, pair }));
Object.assign(tests, overviewTests({ open, api, best }));
Object.assign(tests, matrixTests({ open, api, best }));
Object.assign(tests, compareTests({ open, api }));
Object.assign(tests, zoomTests({ open, best }));
Object.assign(tests, throughputTests({ open, api, best, pair }));
Object.assign(tests, settingsTests({ open, api, best }));
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
