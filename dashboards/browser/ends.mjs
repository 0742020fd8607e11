// The map, the comparison and the pages of agents and zones in a real browser, held against what the API answers.
import assert from 'node:assert/strict';
import { WAIT } from './check.mjs';

export function endTests({ open, api, best, screens }) {
  const tests = {};

  tests['the map tells the closest zone, as the API does'] = async () => {
    const { page, clean } = await open(screens.map.path);
    await page.waitForSelector(screens.map.ready, WAIT);
    const first = await page.textContent('table tbody tr:first-child .id');
    // The title waits for more answers than the list.
    await page.waitForSelector(`h1:has-text(${JSON.stringify(first)})`, WAIT);
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
    const { page, clean } = await open(screens.map.path);
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
    await page.waitForSelector(screens.matrix.ready, WAIT);
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

  tests['a live range is refreshed'] = async () => {
    const { page, clean } = await open(`${screens.map.path}&refresh=0.3`);
    let asked = 0;
    page.on('request', (request) => (asked += request.url().includes('/api/v1/map') ? 1 : 0));
    await page.waitForSelector(screens.map.ready, WAIT);
    await page.waitForTimeout(1500);
    assert.ok(asked >= 3, `asked ${asked} times`);
    await clean();
  };

  tests['the pages of an agent and of a zone say what the map says, sort by keyboard, and lead to the pair'] =
    async () => {
      const { page, clean } = await open(`${screens.agent.path}&refresh=0&from=now-5m`);
      await page.waitForSelector(screens.agent.ready, WAIT);
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
      await page.waitForSelector(screens.zone.ready, WAIT);
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
      const { page, clean } = await open(`${screens.agent.path}&refresh=0`, {
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
                  cloud: { provider: 'aws', region: 'eu-west-3', zone: null },
                  identity_conflicts: 17,
                  last_identity_conflict_at: '2026-11-23T10:00:00Z',
                })),
              }),
            }),
          ),
      });
      const told = await page.textContent('.conflict');
      for (const part of [words, agent.agent, '17']) assert.ok(told.includes(part), `${part} in ${told}`);
      for (const part of [series, 'aws/eu-west-3'])
        assert.ok((await page.textContent('dl')).includes(part), part);
      await clean();
    }
    const { page, clean } = await open(`${screens.agent.path}&refresh=0`);
    await page.waitForSelector(screens.agent.ready, WAIT);
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
    await page.waitForSelector(screens.compare.ready, WAIT);
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

  return tests;
}
