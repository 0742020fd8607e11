// The page of a pair in a real browser: its range, zoom and keys, changes of path, what stands out, its clock.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { WAIT } from './check.mjs';

export function pairTests({ open, pair, screens }) {
  const tests = {};

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
    await page.waitForSelector(screens.pair.ready, WAIT);
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

  tests[
    'a rectangle of time and delay is explained, by button, by hand, and from its address, in French too'
  ] = async () => {
    const { page, clean } = await open(`${pair}&from=now-2m`, { lang: 'fr' });
    await page.waitForSelector(screens.pair.ready, WAIT);
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
    await page.waitForSelector(screens.pair.ready, WAIT);
    const [download] = await Promise.all([page.waitForEvent('download', WAIT), page.click('text=CSV')]);
    const text = readFileSync(await download.path(), 'utf8');
    assert.match(text, /^start_at_utc,step_s,agent,zone,/);
    assert.ok(text.trim().split('\r\n').length > 1);
    assert.match(download.suggestedFilename(), /^azimuth_.*\.csv$/);
    await clean();
  };

  return tests;
}
