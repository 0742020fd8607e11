// The overview in a real browser: groups of vantage points, uncertainty, ties, one metro from everywhere, what fires now.
// Not the map's drawing itself, which run.mjs checks.
import assert from 'node:assert/strict';
import { json, WAIT } from './check.mjs';

const ROW = 'tbody tr td.value';

export function overviewTests({ open, api, best }) {
  const tests = {};

  tests[
    'a group of vantage points is ranked as the API ranks it, by keyboard, and comes back from its address'
  ] = async () => {
    const { agents } = await api('agents');
    const { country } = agents.find((one) => one.agent === best.agent).vantage_point;
    const members = agents.filter((one) => one.vantage_point.country === country);
    assert.ok(members.length > 1, 'the world under test has two vantage points in one country');
    const to = new Date(Math.floor(Date.now() / 10_000) * 10_000 - 30_000);
    const [a, b] = [new Date(to - 300_000), to].map((at) => at.toISOString().replace('.000Z', 'Z'));
    const { page, clean } = await open(`/?agent=${best.agent}&from=${a}&to=${b}&kept=1`);
    await page.waitForSelector(ROW, WAIT);
    await page.locator('.controls select').first().selectOption(`gcountry:${country}`);
    await page.waitForFunction(() => !location.search.includes('agent='), null, WAIT);
    const query = new URL(page.url()).searchParams;
    assert.deepEqual([query.get('vantage'), query.get('kept')], [`country:${country}`, '1']);
    const answer = await api(`groups?group_by=zone&country=${country}&from=${a}&to=${b}`);
    const least = answer.groups.filter((row) => row.n >= 10).sort((x, y) => x.p50_us - y.p50_us)[0];
    const zone = least.labels.zone.split('/').at(-1);
    await page.waitForFunction(
      (id) => document.querySelector('tbody tr .id')?.textContent === decodeURIComponent(id),
      zone,
      WAIT,
    );
    assert.match(await page.textContent('h1'), new RegExp(`${members.length}`));
    assert.match(await page.getAttribute('tbody tr th a', 'href'), /^\/zone\?/);
    assert.equal(await page.locator('svg .arcs > g').count(), 0, 'no lines from a group without a metro');
    await page.reload();
    await page.waitForSelector(ROW, WAIT);
    assert.match(await page.textContent('h1'), new RegExp(`${members.length}`));
    await clean();
  };

  tests[
    'one metro is seen from every vantage point, each with a line of its own, and the table holds its zones'
  ] = async () => {
    const { zones } = await api('zones');
    const { metro } = zones.find((zone) => zone.zone === best.zone);
    const { page, clean } = await open(`/?vantage=all&metro=${encodeURIComponent(metro)}`);
    await page.waitForSelector('svg .dot.coloured', { ...WAIT, state: 'attached' });
    const coloured = await page.locator('svg .dot.coloured').count();
    assert.equal(await page.locator('svg .arcs > g').count(), coloured);
    assert.equal(
      await page.locator('tbody tr').count(),
      zones.filter((zone) => zone.metro === metro && zone.methods.includes('stamp')).length,
    );
    const label = await page.getAttribute('svg a.city:has(.coloured)', 'aria-label');
    assert.match(label, /ms/, 'the number is said, not only shown');
    await clean();
  };

  tests['every number has its interval, and zones that cannot be told apart share a rank and the sentence'] =
    async () => {
      const noise = [-200, 100, 0, 200, -100, 0, 150, -150, 50, -50];
      const { page, clean } = await open(`/?agent=${best.agent}`, {
        route: (p) =>
          p.route('**/api/v1/**', async (route) => {
            const url = new URL(route.request().url());
            const [map, sections] = [url.pathname.endsWith('/map'), url.searchParams.has('step')];
            if (!map && !sections) return route.continue();
            const answer = await (await route.fetch()).json();
            const list = map ? answer.cells : answer.groups;
            const names = [...new Set(list.map((one) => one.zone ?? one.labels.zone))].sort();
            const [one, two] = names;
            const p50 = (zone) => (zone === one ? 5_000 : zone === two ? 5_020 : 9_000);
            const numbers = (zone, more) => ({ n: 300, sent: 300, p50_us: p50(zone) + more });
            if (map) {
              answer.cells = list.map((cell) => ({ ...cell, ...numbers(cell.zone, 0) }));
            } else {
              const row = list[0];
              answer.groups = names.flatMap((zone, z) =>
                noise.map((_, i) => ({
                  ...row,
                  labels: { zone },
                  start_at: `2026-11-23T10:00:0${i}Z`,
                  ...numbers(zone, noise[(i + 3 * z) % noise.length]),
                })),
              );
            }
            await route.fulfill({ json: answer });
          }),
      });
      await page.waitForFunction(
        () => document.querySelector('tbody td.rank')?.textContent.includes('='),
        null,
        WAIT,
      );
      const ranks = (await page.locator('td.rank').allTextContents()).map((text) => text.trim());
      assert.deepEqual(ranks.slice(0, 2), ['1=', '1=']);
      // Alone where there are three zones.
      assert.match(ranks[2], /^3=?$/);
      assert.match(await page.textContent('h1'), /2 zones lead level/);
      assert.match(await page.textContent('.headline p'), /± 0\.\d+\sms at 95 %/);
      assert.match((await page.locator('td.half').first().textContent()).trim(), /^0\.0\d+$/);
      await clean();
    };

  tests['too few samples stand grey, last, with no rank and no interval'] = async () => {
    const { page, clean } = await open(`/?agent=${best.agent}`, {
      route: (p) =>
        p.route('**/api/v1/map?**', async (route) => {
          const answer = await (await route.fetch()).json();
          for (const cell of answer.cells) if (cell.zone === best.zone) cell.n = 3;
          await route.fulfill({ json: answer });
        }),
    });
    const row = page.locator(`tbody tr:has(a[href*="${best.zone.split('/').at(-1)}"])`).first();
    await page.waitForSelector('tr.few', WAIT);
    assert.match(await row.getAttribute('class'), /few/);
    assert.equal((await row.locator('.rank').textContent()).trim(), '');
    assert.equal((await row.locator('.half').textContent()).trim(), '');
    assert.match(await row.locator('.n').textContent(), /too few samples/);
    await clean();
  };

  tests['the list gathers by metro, and a metro pointed at on the map comes into its view'] = async () => {
    const { page, clean } = await open(`/?agent=${best.agent}`);
    await page.waitForSelector(ROW, WAIT);
    await page.click('section[aria-labelledby=ranked-title] button:has-text("Metros")');
    await page.waitForSelector('th[scope=rowgroup]', WAIT);
    assert.equal(new URL(page.url()).searchParams.get('list'), 'metro');
    const name = (await page.locator('th[scope=rowgroup] a').last().textContent()).trim();
    const disc = page.locator(`svg a.metro[aria-label^="${name}:"]`);
    if ((await disc.count()) > 0) {
      await disc.focus();
      await page.waitForFunction(
        () => {
          const [row, box] = [document.querySelector('tr.kin'), document.querySelector('section .scroll')];
          if (!row) return false;
          const [a, b] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
          // The last row ends with the box, give or take a part of a pixel.
          return a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
        },
        null,
        WAIT,
      );
    }
    await clean();
  };

  tests['what fires stands beside the map, what concerns this vantage point first'] = async () => {
    const alert = (id, agent) => ({
      id,
      rule: 'r',
      measure: 'p50',
      state: 'firing',
      severity: 'warning',
      series: { agent, zone: best.zone, method: 'stamp' },
      before: 9,
      value: 17,
      unit: 'ms',
      since: '2026-11-23T10:00:00Z',
      fired_at: '2026-11-23T10:00:00Z',
      regressed_at: '2026-11-23T10:00:00Z',
    });
    const { page, clean } = await open(`/?agent=${best.agent}`, {
      route: async (p) => {
        await p.route('**/api/v1/alerts?**', (route) =>
          route.fulfill(
            json({ alerts: [alert('a', 'elsewhere'), alert('b', best.agent)], total: 2, watched_series: 9 }),
          ),
        );
        await p.route('**/api/v1/incidents?**', (route) => route.fulfill(json({ incidents: [], total: 0 })));
      },
    });
    await page.waitForSelector('section[aria-labelledby=open-title] li', WAIT);
    const links = await page
      .locator('section[aria-labelledby=open-title] li a')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    assert.match(links[0], /^\/alert\?.*id=b/);
    assert.match(await page.textContent('section[aria-labelledby=open-title] li'), /17/);
    await clean();
  };

  tests['a group that is not there is said, and something is shown instead'] = async () => {
    const { page, clean } = await open('/?vantage=planet:<b>Mars</b>');
    await page.waitForSelector(ROW, WAIT);
    assert.match(await page.textContent('.note'), /planet:<b>Mars<\/b>/);
    assert.equal(await page.locator('main .note b').count(), 0);
    await clean();
  };

  return tests;
}
