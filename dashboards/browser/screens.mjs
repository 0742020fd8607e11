// Every screen alike in a real browser: with data, light and dark, within the CSP and the origin, accessible, on a phone, in French; and
// what the frame around them does.
import assert from 'node:assert/strict';
import { axeSource, json, WAIT } from './check.mjs';

export function screenTests({ open, screens }) {
  const tests = {};

  for (const [name, { path, ready }] of Object.entries(screens)) {
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
    // French words are longer: what fits in English may not.
    tests[`${name} speaks French, on a phone too, and no name is a column of letters`] = async () => {
      const { page, clean } = await open(path, { lang: 'fr', width: 390 });
      await page.waitForSelector(ready, WAIT);
      assert.equal(await page.evaluate(() => document.documentElement.lang), 'fr');
      assert.match(await page.textContent('nav'), /Aperçu/);
      await page.waitForLoadState('networkidle');
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${wide} px too wide`);
      const thin = await page.$$eval('.scroll > table.figures th:first-child', (all) =>
        all
          .filter((th) => th.innerText.trim() !== '' && th.offsetWidth < 60)
          .map((th) => th.innerText.slice(0, 20)),
      );
      assert.deepEqual(thin, []);
      await clean();
    };
  }

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
    await page.click('main a:text-is("Add a host")');
    await page.waitForSelector('section[aria-labelledby=add-host-title] form', WAIT);
    await clean();
  };

  tests['on a phone the bar is name and tools, then every screen in one row, in both languages'] =
    async () => {
      for (const lang of ['en', 'fr']) {
        const { page, clean } = await open('/status', { width: 390, lang });
        await page.waitForSelector(screens.status.ready, WAIT);
        const tops = await page.$$eval('nav a', (all) => all.map((a) => a.getBoundingClientRect().top));
        assert.equal(new Set(tops).size, 1, `${lang}: ${tops}`);
        const { brand, tools } = await page.evaluate(() => ({
          brand: document.querySelector('header .brand').getBoundingClientRect().bottom,
          tools: document.querySelector('header .prefs').getBoundingClientRect().bottom,
        }));
        assert.ok(tops[0] >= Math.max(brand, tools) - 8, `${lang}: ${brand} ${tools} ${tops[0]}`);
        await clean();
      }
    };

  tests['a question the collector refuses is answered in its own words'] = async () => {
    const { page, clean } = await open('/?from=now-1m&to=now-5m', { allow: /Failed to load resource/ });
    await page.waitForSelector('.fault', WAIT);
    assert.match(await page.textContent('.fault'), /refuses/);
    await clean();
  };

  tests['when the collector goes away the numbers stay and the page says since when'] = async () => {
    let down = false;
    const { page, clean } = await open(`${screens.map.path}&refresh=0.3`, {
      allow: /Failed to load resource/,
      route: (p) => p.route('**/api/**', (route) => (down ? route.abort() : route.continue())),
    });
    await page.waitForSelector(screens.map.ready, WAIT);
    down = true;
    await page.waitForSelector('.status.down', WAIT);
    assert.match(await page.textContent('.status'), /unreachable since \d\d:\d\d:\d\d/);
    assert.ok((await page.$$('table tbody tr td.value')).length > 0, 'the last numbers are still there');
    down = false;
    await page.waitForSelector('.status:not(.down)', WAIT);
    await clean();
  };

  tests[
    'a screen is loaded when it is opened, and one that cannot be loaded says so and can be tried again'
  ] = async () => {
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
    await page.waitForSelector(screens.matrix.ready, WAIT);
    assert.deepEqual(asked, []);
    await page.click('nav >> text=Status');
    await page.waitForSelector('main [role=alert] button', WAIT);
    broken = false;
    await page.click('main [role=alert] >> text=Try again');
    await page.waitForSelector(screens.status.ready, WAIT);
    await clean();
  };

  tests['the keyboard sheet opens on ?, keeps the focus, closes on Esc, and can turn single keys off'] =
    async () => {
      const { page, clean } = await open('/matrix', { bypassCSP: true });
      await page.waitForSelector(screens.matrix.ready, WAIT);
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
      await page.waitForSelector(screens.status.ready, WAIT);
      await clean();
    };

  tests['an agent or a zone nobody knows is said to be so'] = async () => {
    for (const path of ['/agent?agent=<b>moon</b>', '/zone?zone=<b>moon</b>/x/y']) {
      const { page, clean } = await open(path);
      await page.waitForSelector('h1:has-text("<b>moon</b>")', WAIT);
      await clean();
    }
  };

  return tests;
}
