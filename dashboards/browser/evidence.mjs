// Taking a view away in a real browser: snapshots, tables, pictures, commands, panels of their own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { WAIT } from './check.mjs';

export function evidenceTests({ open, base, pair, screens }) {
  const tests = {};

  tests['a snapshot shows what was answered then, without asking again, and says so when it is gone'] =
    async () => {
      const [from, to] = [20, 10].map((m) =>
        new Date(Date.now() - m * 60_000).toISOString().replace(/\.\d+Z/, 'Z'),
      );
      const { page, clean } = await open(`${pair}&from=${from}&to=${to}`);
      await page.waitForSelector(screens.pair.ready, WAIT);
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
      await kept.page.waitForSelector(screens.pair.ready, WAIT);
      await kept.page.waitForSelector('.snapshot', WAIT);
      assert.match(await kept.page.textContent('.snapshot'), /Instantané du .* UTC\+1/);
      const digits = (text) => text.replace(/\D/g, '');
      assert.equal(digits(await kept.page.textContent('.tiles')), digits(seen), 'the figures that were kept');
      assert.match(kept.page.url(), /\/pair\?.*snapshot=/);
      await kept.page.reload();
      await kept.page.waitForSelector(screens.pair.ready, WAIT);
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
    await page.waitForSelector(screens.pair.ready, WAIT);
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

  tests['a view is taken away as commands, tables and pictures'] = async () => {
    const { page, clean } = await open(`${pair}&from=now-5m`);
    await page.waitForSelector(screens.pair.ready, WAIT);
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
    await page.waitForSelector(screens.matrix.ready, WAIT);
    await page.focus('#main');
    await page.keyboard.press('e');
    const href = await page.getAttribute('dialog a[download]', 'href');
    assert.match(href, /^\/api\/v1\/map\?.*format=csv$/);
    await clean();
  };

  return tests;
}
