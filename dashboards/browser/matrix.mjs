// The matrix in a real browser: against an earlier window, gathered and narrowed, looking back, the load label.
// Arrow keys and Enter are checked in run.mjs.
import assert from 'node:assert/strict';
import { json, WAIT } from './check.mjs';

const CELL = 'table[role=grid] tbody td a';

export function matrixTests({ open, api, best }) {
  const tests = {};

  tests['the matrix against an earlier window paints what surely changed, and says before and after'] =
    async () => {
      const window = { n: 300, n_effective: 100, intervals: 30, sent: 300, lost: 0, loss_ratio: 0 };
      const { agents } = await api('agents');
      const zone = best.zone;
      const pairs = agents.slice(0, 2).map(({ agent }, i) => ({
        agent,
        zone,
        clock: 'kernel',
        window: { ...window, p50_us: 12_000, p90_us: 14_000, p99_us: 15_000 },
        baseline: { ...window, p50_us: 9_000, p90_us: 10_000, p99_us: 11_000 },
        shift_p50_us: 3_000,
        theta: 0.9,
        p: 0.001,
        q: i === 0 ? 0.01 : 0.4,
        why: null,
        loss_p: null,
        loss_q: null,
        loss_why: 'not_enough',
      }));
      const asked = [];
      const { page, clean } = await open('/matrix?from=now-5m', {
        route: (p) =>
          p.route('**/api/v1/compare?**', async (route) => {
            asked.push(new URL(route.request().url()).searchParams);
            const answer = await (await route.fetch()).json();
            await route.fulfill(json({ ...answer, pairs }));
          }),
      });
      await page.waitForSelector(CELL, WAIT);
      await page.selectOption('label:has-text("Against") select', '1d');
      const cell = (agent) => page.locator(`td a[href*="agent=${agent}&"]:not(:empty)`).first();
      await cell(pairs[0].agent).waitFor(WAIT);
      assert.equal(new URL(page.url()).searchParams.get('vs'), '1d');
      assert.equal(asked[0].get('baseline_to'), 'now-86400s');
      assert.equal(asked[0].get('baseline_from'), 'now-86700s');
      assert.equal((await cell(pairs[0].agent).textContent()).trim(), '+3.0');
      assert.match(
        await cell(pairs[0].agent).getAttribute('aria-label'),
        /\+3\.0 ms, 9\.0 before, 12\.0 now, sure/,
      );
      const ground = (agent) =>
        cell(agent).evaluate((link) => getComputedStyle(link).backgroundColor.match(/\d+/g).map(Number));
      const [r, , b] = await ground(pairs[0].agent);
      assert.ok(r > b, 'worse is orange');
      assert.match(await cell(pairs[1].agent).getAttribute('aria-label'), /not sure/);
      assert.equal((await ground(pairs[1].agent)).at(-1), 0, 'what is not sure is not painted');
      await page.keyboard.press('3');
      await page.waitForFunction(() => location.search.includes('metric=p99'), null, WAIT);
      assert.match(await page.locator('p.note').last().textContent(), /not whether it is sure/);
      await clean();
    };

  tests['rows and columns are gathered, and narrowed by country, network and metro, in the address'] =
    async () => {
      const [{ agents }, { zones }] = [await api('agents'), await api('zones')];
      const { country, asn } = agents.find((one) => one.agent === best.agent).vantage_point;
      const { metro } = zones.find((zone) => zone.zone === best.zone);
      const { page, clean } = await open('/matrix?rows=network&group=country');
      await page.waitForSelector(CELL, WAIT);
      const networks = new Set(agents.map((one) => one.vantage_point.network));
      assert.equal(await page.locator('tr.rowgroup').count(), networks.size);
      await page.selectOption('select[aria-label^="Country"]', country);
      await page.selectOption('select[aria-label^="Network"]', `AS${asn}`);
      await page.selectOption('select[aria-label^="Metro"]', metro);
      const rows = agents.filter(
        (one) => one.vantage_point.country === country && one.vantage_point.asn === asn,
      );
      await page.waitForFunction(
        (n) => document.querySelectorAll('tbody tr:not(.rowgroup)').length === n,
        rows.length,
        WAIT,
      );
      const query = new URL(page.url()).searchParams;
      assert.deepEqual(
        ['country', 'network', 'metro', 'rows', 'group'].map((name) => query.get(name)),
        [country, `AS${asn}`, metro, 'network', 'country'],
      );
      await page.locator(CELL).first().focus();
      await page.keyboard.press('End');
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => location.pathname === '/pair', null, WAIT);
      assert.equal(new URL(page.url()).searchParams.get('country'), null);
      await clean();
    };

  tests['looking back draws each window while the slider moves, and the table shows it when it rests'] =
    async () => {
      // A world that has just begun has no earlier windows: each is answered with what is measured now.
      const { page, clean } = await open('/matrix?from=now-5m&refresh=0', {
        route: (p) =>
          p.route(/\/api\/v1\/map\?.*format=csv/, (route) => {
            const url = new URL(route.request().url());
            url.searchParams.set('from', 'now-5m');
            url.searchParams.set('to', 'now');
            return route.continue({ url: url.toString() });
          }),
      });
      await page.waitForSelector(CELL, WAIT);
      await page.click('button:has-text("Look back")');
      const slider = page.locator('input[type=range]');
      await slider.waitFor(WAIT);
      await page.waitForSelector('text=Drag, or use', { timeout: 60_000 });
      const before = await slider.getAttribute('aria-valuetext');
      // Moved without being let go: a picture, and the address stays.
      await slider.evaluate((input) => {
        input.value = '12';
        input.dispatchEvent(new Event('input', { bubbles: true }));
      });
      await page.waitForSelector('canvas', WAIT);
      assert.ok(!page.url().includes('to='), 'the address waits for rest');
      const painted = await page.evaluate(() => {
        const canvas = document.querySelector('.scroll canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Set();
        for (let i = 0; i < data.length; i += 400) colours.add(`${data[i]} ${data[i + 1]} ${data[i + 2]}`);
        const [a, b] = [canvas, document.querySelector('td')].map((one) => one.getBoundingClientRect());
        return { colours: colours.size, off: Math.hypot(a.left - b.left, a.top - b.top) };
      });
      assert.ok(painted.colours > 2, `${painted.colours} colours on the canvas`);
      assert.ok(painted.off < 1.5, `the canvas lies ${painted.off} px beside the cells`);
      assert.notEqual(await slider.getAttribute('aria-valuetext'), before);
      await slider.focus();
      await page.keyboard.press('ArrowLeft');
      await page.waitForFunction(() => /to=\d{4}-/.test(location.search), null, WAIT);
      await page.waitForFunction(() => document.querySelector('.scroll canvas') === null, null, WAIT);
      const query = new URL(page.url()).searchParams;
      assert.equal(Date.parse(query.get('to')) - Date.parse(query.get('from')), 300_000);
      const times = await page.evaluate(() =>
        performance.getEntriesByName('matrix-frame', 'measure').map((one) => one.duration.toFixed(1)),
      );
      console.log(`      frames drawn in ${times.join(', ')} ms`);
      await clean();
    };

  tests['the load label is chosen on screen, and another than idle is asked for'] = async () => {
    const { page, clean } = await open('/matrix');
    await page.waitForSelector(CELL, WAIT);
    const [request] = await Promise.all([
      page.waitForRequest(/\/map\?.*load=self_load/, WAIT),
      page.selectOption('label:has-text("Load") select', 'self_load'),
    ]);
    assert.ok(request);
    assert.equal(new URL(page.url()).searchParams.get('load'), 'self_load');
    await clean();
  };

  return tests;
}
