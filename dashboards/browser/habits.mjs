// What holds on every screen: more contrast, less motion, the night the clocks go back, a collector that is away, numbers of several
// kinds side by side.
import assert from 'node:assert/strict';
import { axeSource, WAIT } from './check.mjs';

export function habitTests({ open, best, pair, screens }) {
  const tests = {};

  for (const theme of ['light', 'dark']) {
    tests[`more contrast is given where the system asks for it or the reader chose it, ${theme}`] =
      async () => {
        const { page, clean } = await open(`/?agent=${best.agent}`, { theme, bypassCSP: true });
        await page.waitForSelector(screens.map.ready, WAIT);
        const muted = () =>
          page.evaluate(() => {
            const probe = document.createElement('span');
            probe.className = 'muted';
            document.body.append(probe);
            const colour = getComputedStyle(probe).color;
            probe.remove();
            return colour;
          });
        const usual = await muted();
        await page.emulateMedia({ contrast: 'more' });
        const more = await muted();
        assert.notEqual(more, usual);
        await page.emulateMedia({ contrast: 'no-preference' });
        assert.equal(await muted(), usual);
        await page.goto(page.url().replace(/\?.*/, `?agent=${best.agent}&contrast=more`));
        await page.waitForSelector(screens.map.ready, WAIT);
        assert.equal(await muted(), more);
        await page.waitForTimeout(300);
        await page.evaluate(axeSource);
        const { violations } = await page.evaluate(() =>
          window.axe.run({ runOnly: ['color-contrast', 'color-contrast-enhanced'] }),
        );
        assert.deepEqual(
          violations.filter((one) => one.id === 'color-contrast').map((one) => one.nodes[0].html),
          [],
        );
        await clean();
      };
  }

  tests['who asks for less motion gets none'] = async () => {
    const { page, clean } = await open(`/?agent=${best.agent}`);
    await page.waitForSelector('svg a.metro', { ...WAIT, state: 'attached' });
    const moving = () =>
      page.evaluate(() => getComputedStyle(document.querySelector('svg a.metro')).transitionDuration);
    assert.notEqual(await moving(), '0s');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    assert.equal(await moving(), '0s');
    await clean();
  };

  tests['in the night the clocks go back, two 02:30 are two, on the axis and in the table'] = async () => {
    // Points of a night that no stand-in has measured: the same answer, moved there.
    const [from, to] = ['2026-10-25T00:00:00Z', '2026-10-25T02:00:00Z'];
    const moved = (answer, key) => {
      const list = Array.from({ length: 12 }, (_, i) => answer[key][i % answer[key].length]);
      return {
        ...answer,
        from,
        to,
        step_s: 600,
        gaps: [],
        [key]: list.map((one, i) => ({
          ...one,
          start_at: new Date(Date.parse(from) + i * 600_000).toISOString().replace('.000Z', 'Z'),
        })),
      };
    };
    const live = (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('from', 'now-1h');
      url.searchParams.set('to', 'now');
      return route.fetch({ url: url.toString() });
    };
    const { page, clean } = await open(`${pair}&from=${from}&to=${to}`, {
      timezoneId: 'Europe/Paris',
      lang: 'fr',
      route: async (p) => {
        await p.route('**/api/v1/series?**', async (route) =>
          route.fulfill({ json: moved(await (await live(route)).json(), 'points') }),
        );
        await p.route('**/api/v1/heatmap?**', async (route) =>
          route.fulfill({ json: moved(await (await live(route)).json(), 'columns') }),
        );
        await p.route('**/api/v1/distribution?**', async (route) =>
          route.fulfill({ json: { ...(await (await live(route)).json()), from, to } }),
        );
      },
    });
    await page.waitForSelector(screens.pair.ready, WAIT);
    const axis = (await page.textContent('.charts')).replace(/\s+/g, ' ');
    assert.match(axis, /02:00[^]*UTC\+2[^]*02:00[^]*UTC\+1/);
    await page.click('.foot button[aria-expanded]');
    const starts = (await page.locator('.foot ~ .scroll tbody th, .scroll tbody th').allTextContents()).map(
      (one) => one.trim(),
    );
    const half = starts.filter((one) => one.includes('02:30'));
    assert.equal(half.length, 2);
    assert.ok(
      half.some((one) => one.includes('(+2)')) && half.some((one) => one.includes('(+1)')),
      half.join(),
    );
    assert.equal(new Set(starts).size, starts.length, 'no two rows are called the same');
    await clean();
  };

  tests['on every screen the last picture stays, greyed, while the collector is away'] = async () => {
    for (const name of ['map', 'matrix', 'compare', 'agent', 'zone']) {
      let down = false;
      const { path, ready } = screens[name];
      const { page, clean } = await open(`${path}${path.includes('?') ? '&' : '?'}refresh=0.5`, {
        allow: /Failed to load resource/,
        route: (p) => p.route('**/api/**', (route) => (down ? route.abort() : route.continue())),
      });
      await page.waitForSelector(ready, WAIT);
      assert.equal(await page.locator('main.old').count(), 0);
      down = true;
      await page.waitForSelector('main.old', WAIT);
      assert.ok((await page.locator(ready).count()) > 0, `${name}: the numbers are still there`);
      assert.ok(
        Number(await page.evaluate(() => getComputedStyle(document.querySelector('main')).opacity)) < 1,
      );
      assert.match(await page.textContent('.status.down'), /from \d\d:\d\d:\d\d/);
      down = false;
      await page.waitForSelector('main:not(.old)', WAIT);
      await clean();
    }
  };

  tests['numbers of several clocks, and zones another method measures, are said to be so'] = async () => {
    for (const path of [`/?agent=${best.agent}`, '/matrix']) {
      const { page, clean } = await open(path, {
        route: async (p) => {
          await p.route('**/api/v1/map?**', async (route) => {
            const answer = await (await route.fetch()).json();
            answer.cells[0].clock = 'user';
            await route.fulfill({ json: answer });
          });
          await p.route('**/api/v1/zones', async (route) => {
            const answer = await (await route.fetch()).json();
            answer.zones.at(-1).methods = ['icmp_echo'];
            await route.fulfill({ json: answer });
          });
        },
      });
      await page.waitForSelector('text=Delays of several clocks', WAIT);
      const note = await page.textContent('p:has-text("Delays of several clocks")');
      assert.match(note, /user \(1\)/);
      assert.match(note, /stamp does not measure them, only icmp_echo: 1/);
      await clean();
    }
  };

  tests['a mangled address keeps what it can, says what it left out, and can be cleaned'] = async () => {
    // A world that has just begun has nothing earlier.
    const now = Math.floor(Date.now() / 10_000) * 10_000;
    const [from, to] = [120_000, 0].map((ago) => new Date(now - ago).toISOString().replace('.000Z', 'Z'));
    const query = `&from=${from}&to=${to}&box=${from}~${to}~abc~9000&clock=mars&flow=x&kept=1`;
    const { page, clean } = await open(`${pair}${query}`);
    await page.waitForSelector(screens.pair.ready, WAIT);
    assert.deepEqual(await page.locator('.mangled code').allTextContents(), [
      'box=abc~9000',
      'clock=mars',
      'flow=x',
    ]);
    await page.waitForSelector('.heat rect.box', { ...WAIT, state: 'attached' });
    await page.click('.mangled a');
    await page.waitForFunction(() => !location.search.includes('mars'), null, WAIT);
    const left = new URL(page.url()).searchParams;
    assert.deepEqual(
      ['from', 'to', 'clock', 'flow', 'kept'].map((name) => left.get(name)),
      [from, to, null, null, '1'],
    );
    await clean();

    const other = await open(`/?agent=%3Cb%3Emoon%3C/b%3E&metric=p42&from=now-5m&from=now-1h`, {
      lang: 'fr',
    });
    await other.page.waitForSelector(screens.map.ready, WAIT);
    assert.match(await other.page.textContent('.mangled'), /agent=<b>moon<\/b>.*metric=p42.*from=now-1h/s);
    assert.equal(await other.page.locator('.mangled b').count(), 0, 'names are inert');
    await other.clean();
  };

  return tests;
}
