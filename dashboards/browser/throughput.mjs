// Throughput on the screens in a real browser: as a number of the overview, the matrix and the comparison, and test by test on the
// page of a pair. The answers are given here: a world that has just begun has not tested anything.
import assert from 'node:assert/strict';
import { axeSource, json, WAIT } from './check.mjs';

const at = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString().replace(/\.\d+Z/, 'Z');

/** Each pair by its place in the list: the first carries least, the last is only known to carry so much or more. */
function newestOf(cells) {
  return cells.map(({ agent, zone }, i) => ({
    agent,
    zone,
    direction: 'download',
    reading: i === cells.length - 1 ? 'lower_bound' : 'estimate',
    bps: (i + 1) * 10e6,
    at: at(30),
    congestion_control: 'bbr',
    added_delay_us: 4_000,
    tests: 3,
    failed: 1,
  }));
}

const phase = (p50_us) => ({ sent: 20, lost: 0, n: 20, p50_us, p95_us: p50_us, p99_us: p50_us });
const test = (minutes, direction, reading, bps, stop) => ({
  at: at(minutes),
  target: 't',
  address: '192.0.2.1:8621',
  direction,
  reading,
  bps,
  stop,
  bytes: 4_000_000,
  duration_us: 700_000,
  congestion_control: bps === null ? null : 'bbr',
  clock: 'kernel',
  idle: phase(9_000),
  loaded: phase(21_500),
  drained: phase(9_000),
  added_delay_us: bps === null ? null : 12_500,
});

export function throughputTests({ open, api, best, pair }) {
  const tests = {};

  tests['throughput is a number of the overview, the matrix and the comparison: more is better'] =
    async () => {
      const { cells } = await api('map?from=now-5m');
      const own = cells.filter((cell) => cell.agent === best.agent);
      const route = (p) =>
        p.route('**/api/v1/throughput/newest?**', (route) => {
          const asked = new URL(route.request().url()).searchParams;
          assert.equal(asked.get('from'), 'now-24h', 'tests are rare: a day is looked back');
          assert.equal(asked.get('method'), null, 'a test has no method');
          const wanted = asked.getAll('agent');
          const seen = asked.getAll('zone');
          const fits = (row) =>
            (wanted.length === 0 || wanted.includes(row.agent)) &&
            (seen.length === 0 || seen.includes(row.zone));
          const answer = { from: at(1440), to: at(0), cells: newestOf(own).filter(fits) };
          return route.fulfill(json(answer));
        });
      const most = own.at(-1);
      const { page, clean } = await open(`/?agent=${best.agent}&metric=down`, { route });
      await page.waitForSelector('td.value:has-text("≥")', WAIT);
      const first = page.locator('table tbody tr:first-child');
      assert.equal(
        (await first.locator('td.value').textContent()).trim(),
        `≥${(own.length * 10).toFixed(own.length < 10 ? 1 : 0)}`,
      );
      assert.equal((await first.locator('td.n').textContent()).trim(), '3', 'n counts tests');
      assert.ok((await page.textContent('h1')).includes(most.zone.split('/')[2].replaceAll('%2F', '/')));
      assert.match(await page.textContent('h1'), /comes down.*≥\s\d+(\.\d)?\sMbit\/s/);
      assert.match(await page.textContent('.legend figcaption'), /Download.*Mbit\/s/);
      await clean();

      const untested = await open(`/?agent=${best.agent}&metric=up`, {
        route: (p) =>
          p.route('**/api/v1/throughput/newest?**', (route) =>
            route.fulfill(json({ from: at(1440), to: at(0), cells: [] })),
          ),
      });
      await untested.page.waitForSelector('h1:has-text("no throughput test")', WAIT);
      assert.match(await untested.page.textContent('.headline'), /\[throughput\]/);
      await untested.clean();

      const matrix = await open('/matrix?metric=down&vs=1d', { route });
      const label = matrix.page.locator(`td a[href*="agent=${best.agent}&"][aria-label*="≥"]`);
      await label.waitFor(WAIT);
      assert.match(await label.getAttribute('aria-label'), /≥\d+(\.\d)? Mbit\/s, n = 3/);
      assert.ok(
        await label.evaluate((link) => link.closest('td').classList.contains('best')),
        'most is best',
      );
      assert.match(await matrix.page.locator('p.note').last().textContent(), /too rare to be held against/);
      await matrix.clean();

      const zones = own.slice(-2).map((cell) => cell.zone.replaceAll('%', '%25'));
      const compare = await open(`/compare?from=now-5m&metric=down&of=${zones.join(',')}`, { route });
      await compare.page.waitForSelector('td.best:has-text("≥")', WAIT);
      assert.match(
        await compare.page.textContent('section[aria-labelledby=totals-title] thead'),
        /Down, Mbit\/s/,
      );
      await compare.clean();
    };

  tests[
    'the page of a pair tells estimates, lower bounds and failures apart, with delay under load, in French'
  ] = async () => {
    const answer = {
      from: at(1440),
      to: at(0),
      agent: best.agent,
      zone: best.zone,
      tests: [
        test(900, 'download', 'estimate', 94e6, 'stable'),
        test(600, 'upload', 'lower_bound', 31e6, 'byte_cap'),
        test(60, 'download', 'failed', null, 'refused'),
      ],
    };
    const { page, clean } = await open(pair, {
      lang: 'fr',
      bypassCSP: true,
      route: (p) => p.route('**/api/v1/throughput?**', (route) => route.fulfill(json(answer))),
    });
    const panel = page.locator('section.throughput');
    await panel.locator('tbody tr').first().waitFor(WAIT);
    const rows = await panel.locator('tbody tr').allInnerTexts();
    assert.equal(rows.length, 3);
    assert.match(rows[0], /échec.*n’a pas voulu/s);
    assert.match(rows[1], /≥ 31,0.*au moins.*\+12,5.*volume permis/s);
    assert.match(rows[2], /94,0.*estimation.*stabilisé/s);
    assert.match(await panel.locator('.newest').innerText(), /94,0 Mbit\/s.*\+12,5 ms en charge/s);
    for (const kind of ['estimate', 'lower_bound', 'failed'])
      assert.equal(await panel.locator(`g > path.${kind}`).count(), 1, kind);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() =>
      window.axe.run('section.throughput', { resultTypes: ['violations'] }),
    );
    assert.deepEqual(
      violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => one.id),
      [],
    );
    await clean();

    const none = await open(pair, {
      route: (p) =>
        p.route('**/api/v1/throughput?**', (route) => route.fulfill(json({ ...answer, tests: [] }))),
    });
    await none.page.waitForSelector('section.throughput:has-text("[throughput]")', WAIT);
    await none.clean();
  };

  return tests;
}
