// The checks of the screens about alerts. Each page is given one answer, whichever collector is under test: what that one
// tells of alerts is another thing every minute.
import assert from 'node:assert/strict';
import { axeSource, json, WAIT } from './check.mjs';

/** `best` is a cell with data; `pair` the address of its page. */
export function alertTests({ open, api, base, best, pair }) {
  const tests = {};
  const NOON = '2026-11-23T12:00:00Z';
  const alertOf = (id, more = {}) => ({
    id,
    rule: 'regression',
    measure: 'p50',
    severity: 'warning',
    state: 'firing',
    since: '2026-11-23T11:36:00Z',
    regressed_at: '2026-11-23T11:30:00Z',
    fired_at: '2026-11-23T11:36:00Z',
    resolved_at: null,
    ending: null,
    value: 14,
    before: 10,
    unit: 'ms',
    windows: {
      before_from: '2026-11-23T10:30:00Z',
      before_to: '2026-11-23T11:30:00Z',
      after_from: '2026-11-23T11:30:00Z',
      after_to: '2026-11-23T11:58:00Z',
    },
    episode: 1,
    told: true,
    silenced: false,
    suppressed: false,
    acknowledged: null,
    series: { agent: best.agent, zone: best.zone, method: 'stamp', load: 'idle', target: 't', country: 'FR' },
    ...more,
  });
  const SOME_ALERTS = [
    alertOf('regression:1:p50'),
    alertOf('slow:2:p99', {
      rule: 'slow',
      measure: 'p99',
      severity: 'critical',
      value: 31,
      before: 25,
      regressed_at: '2026-11-22T09:00:00Z',
      fired_at: '2026-11-22T09:05:00Z',
      series: { agent: 'moon', zone: 'aws/x/y', method: 'stamp', country: 'XX' },
    }),
    alertOf('regression:3:loss', {
      measure: 'loss',
      unit: 'percent',
      value: 3.5,
      before: 0.5,
      state: 'pending',
      fired_at: null,
      told: false,
    }),
    alertOf('regression:4:p50', {
      state: 'resolved',
      resolved_at: '2026-11-23T11:50:00Z',
      ending: 'recovered',
    }),
  ];
  const rule = (name, condition, severity) => ({
    name,
    condition,
    severity,
    route: 'default',
    for_s: 0,
    keep_firing_for_s: 900,
    select: {},
    except: {},
    open: 1,
  });
  const SILENCE = {
    id: 7,
    state: 'active',
    select: { zone: ['aws/x/y'] },
    rule: null,
    from: '2026-11-23T10:00:00Z',
    until: '2026-11-23T18:00:00Z',
    by: 'anna',
    comment: 'cable works',
  };
  const problem = (status, reason, detail) => ({
    status,
    contentType: 'application/problem+json',
    body: JSON.stringify({ type: 'about:blank', title: 'No', status, reason, detail }),
  });
  /** Answers every question about alerts from `alerts`; `changed` gets what is sent and says how it is answered. */
  const alertsOf =
    (
      alerts,
      { silences = [], incidents = [], evaluated_to = '2026-11-23T11:58:30Z', changed, more = {} } = {},
    ) =>
    async (page) => {
      const answer = (route) => {
        const query = new URL(route.request().url()).searchParams;
        const states = query.getAll('state');
        const is = (name, value) => !query.has(name) || query.get(name) === value;
        const list = alerts.filter(
          (one) =>
            (states.length === 0 || states.includes(one.state)) &&
            is('id', one.id) &&
            is('agent', one.series.agent) &&
            is('zone', one.series.zone),
        );
        const limit = Number(query.get('limit') ?? 1000);
        return route.fulfill(
          json({
            now: NOON,
            evaluated_to,
            watched_series: 1234,
            total: list.length,
            alerts: list.slice(0, limit),
            ...more,
          }),
        );
      };
      await page.route('**/api/v1/alerts', answer);
      await page.route('**/api/v1/alerts?*', answer);
      await page.route('**/api/v1/incidents*', (route) =>
        route.fulfill(json({ now: NOON, evaluated_to, total: incidents.length, incidents })),
      );
      await page.route('**/api/v1/rules', (route) =>
        route.fulfill(
          json({
            rules: [rule('slow', 'threshold', 'critical'), rule('regression', 'regression', 'warning')],
            maintenance: [{ name: 'nights', open: true, select: {}, rules: ['slow'] }],
          }),
        ),
      );
      await page.route('**/api/v1/silences*', (route) =>
        route.request().method() === 'GET'
          ? route.fulfill(json({ silences }))
          : route.fulfill(changed(route.request())),
      );
      await page.route('**/api/v1/silences/*', (route) => route.fulfill(changed(route.request())));
      await page.route('**/api/v1/alerts/*/acknowledge', (route) => route.fulfill(changed(route.request())));
    };
  const rowsOf = (page) => page.locator('.alerts-screen table').first().locator('tbody tr').allInnerTexts();

  tests['alerts stand in order, say since when and how much, and are counted in the bar'] = async () => {
    const { page, clean } = await open('/alerts?clock=utc', {
      route: alertsOf(SOME_ALERTS, { silences: [SILENCE] }),
    });
    await page.waitForSelector('.alerts-screen tbody tr', WAIT);
    assert.match(await page.textContent('h1'), /2 alerts are open/);
    assert.match(
      await page.textContent('.verdict p'),
      /1,234 series watched by 2 rules · evaluated up to 11:58 UTC/,
    );
    const rows = await rowsOf(page);
    assert.equal(rows.length, 3, 'what is over is not now');
    assert.match(rows[0], /firing\s*critical[^]*p99[^]*moon[^]*22 Nov 09:00[^]*31.0\s*ms[^]*limit 25.0/);
    assert.match(
      rows[1],
      /firing\s*warning[^]*Median delay[^]*11:30[^]*fired 11:36[^]*10.0\s*ms → 14.0\s*ms[^]*\+40\s*%/,
    );
    assert.match(rows[2], /pending[^]*Loss[^]*0.500\s*% → 3.50\s*%[^]*\+3.00 points/);
    assert.match(await page.textContent('nav a[href^="/alerts"]'), /Alerts\s*2/);
    assert.match(
      await page.textContent('section[aria-labelledby=silences-title]'),
      /in force[^]*zone aws\/x\/y[^]*anna[^]*cable works/,
    );
    assert.match(
      await page.textContent('section[aria-labelledby=rules-title]'),
      /slow[^]*a limit[^]*nights[^]*open now/,
    );
    await clean();
  };

  tests['alerts are narrowed from the keyboard, and the address remembers it'] = async () => {
    const { page, clean } = await open('/alerts', { route: alertsOf(SOME_ALERTS) });
    await page.waitForSelector('.alerts-screen tbody tr', WAIT);
    await page.focus('button:text-is("All")');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.search.includes('show=all'), null, WAIT);
    assert.equal((await rowsOf(page)).length, 4);
    await page.selectOption('select[aria-label=Rule]', 'slow');
    assert.equal((await rowsOf(page)).length, 1);
    await page.selectOption('select[aria-label=Rule]', '');
    await page.fill('input[type=search]', 'xx moon');
    assert.equal((await rowsOf(page)).length, 1);
    assert.equal(new URL(page.url()).searchParams.get('q'), 'xx moon');
    await page.fill('input[type=search]', 'nobody');
    await page.waitForSelector('text=No alert matches', WAIT);
    await page.click('text=Show all');
    await page.waitForFunction(() => !/show=|q=/.test(location.search), null, WAIT);
    assert.equal((await rowsOf(page)).length, 3);
    await page.focus('#main');
    await page.keyboard.press('m');
    await page.keyboard.press('a');
    await page.waitForSelector('.alerts-screen', WAIT);
    await clean();
  };

  tests['when nothing fires the page says so, who watches, and when the evaluation has fallen back'] =
    async () => {
      const { page, clean } = await open('/alerts', { route: alertsOf([]), lang: 'fr' });
      await page.waitForSelector('.alerts-screen', WAIT);
      assert.match(await page.textContent('h1'), /Rien ne se déclenche/);
      assert.match(await page.textContent('.verdict p'), /1\s234 séries surveillées/);
      assert.equal(await page.locator('.late').count(), 0);
      assert.match(await page.textContent('nav a[href^="/alerts"]'), /^Alertes\s*$/);
      await clean();
      const late = await open('/alerts', { route: alertsOf([], { evaluated_to: '2026-11-23T11:00:00Z' }) });
      await late.page.waitForSelector('.late', WAIT);
      assert.match(await late.page.textContent('.late'), /60 min behind/);
      await late.clean();
    };

  tests['an alert shows before and after, takes an acknowledgement, and a silence with its end'] =
    async () => {
      const [now, sent] = [[...SOME_ALERTS], []];
      const { page, clean } = await open('/alert?id=regression:1:p50&clock=utc', {
        route: async (p) => {
          await alertsOf(now, {
            changed: (request) => {
              const body = JSON.parse(request.postData());
              sent.push([new URL(request.url()).pathname, body]);
              if (request.url().includes('silences')) return { ...json({ ...SILENCE }), status: 201 };
              now[0] = { ...now[0], acknowledged: { ...body, at: NOON } };
              return json(now[0]);
            },
          })(p);
          const real = await api(
            `distribution?agent=${best.agent}&zone=${encodeURIComponent(best.zone)}&from=now-5m`,
          );
          await p.route('**/api/v1/distribution?*', (route) => {
            const after = route.request().url().includes('from=2026-11-23T11%3A30');
            const bins = real.bins.map((bin) => ({ ...bin, high_us: bin.high_us + (after ? 4_000 : 0) }));
            return route.fulfill(json({ ...real, n: after ? real.n : 1234, bins }));
          });
        },
      });
      await page.waitForSelector('section[aria-labelledby=evidence-title] path.after[d^=M]', WAIT);
      assert.match(await page.textContent('.big'), /10.0\s*ms → 14.0\s*ms\s*\+40/);
      assert.match(
        await page.textContent('.note'),
        /Before: 10:30 – 11:30. After: 11:30 – 11:58. Times in UTC/,
      );
      assert.match(
        await page.textContent('section[aria-labelledby=evidence-title] tbody tr:last-child'),
        /1,234/,
      );
      assert.match(
        await page.textContent('dl'),
        /Thought to have begun\s*11:30 UTC[^]*Fired\s*11:36 UTC \(6 min later\)/,
      );
      const heat = new URL(base + (await page.getAttribute('a:text("Heat map")', 'href'))).searchParams;
      assert.deepEqual(
        [heat.get('agent'), heat.get('from'), heat.get('to'), heat.get('id')],
        [best.agent, '2026-11-23T10:30:00Z', '2026-11-23T11:58:00Z', null],
      );
      const form = page.locator('section[aria-labelledby=acknowledge-title]');
      await form.locator('input').first().fill('anna');
      await form.locator('input').last().fill('on it');
      await page.keyboard.press('Enter');
      await page.waitForSelector('dl .tag:has-text("anna is on it")', WAIT);
      assert.deepEqual(sent.shift(), [
        '/api/v1/alerts/regression%3A1%3Ap50/acknowledge',
        { by: 'anna', comment: 'on it' },
      ]);
      const silence = page.locator('section[aria-labelledby=silence-title]');
      await silence.locator('select').first().selectOption('zone');
      await silence.locator('select').last().selectOption('custom');
      await silence.locator('input').first().fill('tomorrow');
      await silence.locator('input').nth(1).fill('anna');
      assert.ok(await silence.locator('button').isDisabled(), 'no end, no silence');
      await silence.locator('input').first().fill('2027-01-01T00:00:00Z');
      await silence.locator('button').click();
      await silence.locator('[role=status]').waitFor(WAIT);
      assert.deepEqual(sent.shift(), [
        '/api/v1/silences',
        { select: { zone: [best.zone] }, until: '2027-01-01T00:00:00Z', by: 'anna', comment: '' },
      ]);
      await clean();
    };

  tests['a change refused because it came from elsewhere says where it can be made'] = async () => {
    const { page, clean } = await open('/alerts', {
      allow: /Failed to load resource/,
      route: alertsOf(SOME_ALERTS, {
        silences: [SILENCE],
        changed: () => problem(403, 'not_from_here', 'only this machine'),
      }),
    });
    await page.waitForSelector('section[aria-labelledby=silences-title] li', WAIT);
    await page.click('button:text-is("End now")');
    await page.waitForSelector('.refusal pre', WAIT);
    assert.match(
      await page.textContent('.refusal'),
      /only on its own machine[^]*ssh -L[^]*curl -X DELETE 'http.*\/silences\/7'/,
    );
    assert.equal(await page.locator('section[aria-labelledby=silences-title] li').count(), 1);
    await clean();
    const second = await open('/alert?id=regression:1:p50', {
      allow: /Failed to load resource/,
      route: alertsOf(SOME_ALERTS, { changed: () => problem(409, 'not_firing', 'the alert is resolved') }),
    });
    const form = second.page.locator('section[aria-labelledby=acknowledge-title]');
    await form.locator('input').first().fill('anna');
    await form.locator('button').click();
    await second.page.waitForSelector('.refusal:has-text("the alert is resolved")', WAIT);
    await second.clean();
  };

  tests['members of an incident stand together, and an alert nobody knows is said to be so'] = async () => {
    const [one, two] = SOME_ALERTS.slice(0, 2).map((alert) => ({ ...alert, incident: '5' }));
    const { page, clean } = await open(`/alert?id=${one.id}`, {
      allow: /Failed to load resource/,
      route: alertsOf([one, two, ...SOME_ALERTS.slice(2)]),
    });
    await page.waitForSelector('section[aria-labelledby=members-title] tbody tr', WAIT);
    assert.equal(await page.locator('section[aria-labelledby=members-title] tbody tr').count(), 1);
    await page.click('section[aria-labelledby=members-title] th a');
    await page.waitForFunction((id) => new URL(location).searchParams.get('id') === id, two.id, WAIT);
    await clean();
    const second = await open('/alert?id=<b>moon</b>', { route: alertsOf(SOME_ALERTS) });
    await second.page.waitForSelector('h1:has-text("<b>moon</b>")', WAIT);
    await second.clean();
  };

  tests['an incident says who is to blame, how sure, who was not asked, and which series'] = async () => {
    const hostile = '<img src=x onerror="window.owned=1">';
    const incident = {
      id: 'incident:5:zone',
      culprit: { label: 'zone', value: best.zone, sickness: null },
      kinds: ['delay', 'loss'],
      state: 'firing',
      since: '2026-11-23T11:36:00Z',
      regressed_at: '2026-11-23T11:30:00Z',
      fired_at: '2026-11-23T11:36:00Z',
      resolved_at: null,
      ending: null,
      severity: 'critical',
      episode: 1,
      told: true,
      silenced: false,
      acknowledged: null,
      evidence: { gain: 40, heard: 14, worse: 12, before: 9.1, value: 12.3, unit: 'ms' },
      members: SOME_ALERTS.slice(0, 2).map(({ series }) => ({
        kind: 'delay',
        rule: 'regression',
        score: 6,
        series,
        before: 9.1,
        value: 12.3,
        unit: 'ms',
      })),
      alerts: [SOME_ALERTS[0].id],
      vetoed: { [hostile]: 'clock' },
    };
    for (const [lang, words] of [
      ['en', ['slower, losing', '12 of 14', '9.10', '12.3', 'its clock', hostile]],
      ['fr', ['plus lent, pertes', '12 séries sur 14', '9,10', '12,3', 'son horloge', hostile]],
    ]) {
      const { page, clean } = await open('/alerts', {
        lang,
        route: alertsOf(SOME_ALERTS, { incidents: [incident] }),
      });
      await page.waitForSelector('article.firing', WAIT);
      const told = await page.textContent('article.firing');
      for (const part of words) assert.ok(told.includes(part), `${part} in ${told}`);
      await page.click('article summary');
      assert.equal(await page.locator('article tbody tr').count(), 2);
      await page.evaluate(axeSource);
      const found = await page.evaluate(() => window.axe.run('article', { resultTypes: ['violations'] }));
      assert.deepEqual(
        found.violations.map((one) => one.id),
        [],
      );
      const alone = await open('/alerts', { lang, route: alertsOf([], { incidents: [incident] }) });
      await alone.page.waitForSelector('article.firing', WAIT);
      assert.match(
        await alone.page.textContent('h1'),
        /Incidents.*: 1$/,
        'an incident without an alert is not nothing',
      );
      assert.match(await alone.page.textContent('nav a[href^="/alerts"]'), /\s1\D/, 'the bar counts it');
      await alone.clean();
      const inside = SOME_ALERTS.map((one) => ({ ...one, suppressed: one.id === incident.alerts[0] }));
      const both = await open('/map', { lang, route: alertsOf(inside, { incidents: [incident] }) });
      // The other alert that is open, and the incident; what is inside it is no third.
      await both.page.waitForSelector('nav a[href^="/alerts"]:has-text("2")', WAIT);
      await both.clean();
      await page.click('article h2 a');
      await page.waitForFunction(() => location.pathname === '/zone', null, WAIT);
      await clean();
    }
  };

  tests['what agents, rules and people write is inert on the alerts'] = async () => {
    const hostile = '<img src=x onerror="window.owned=1"><b>bold</b>';
    const alert = alertOf('regression:1:p50', {
      rule: hostile,
      measure: hostile,
      unit: hostile,
      severity: hostile,
      state: 'firing',
      acknowledged: { by: hostile, comment: hostile, at: NOON },
      series: { agent: hostile, zone: hostile, method: hostile },
    });
    const silence = {
      ...SILENCE,
      select: { [hostile]: [hostile] },
      rule: hostile,
      by: hostile,
      comment: hostile,
    };
    for (const path of ['/alerts', '/alert?id=regression:1:p50']) {
      const { page, clean } = await open(path, {
        allow: /Failed to load resource/,
        route: alertsOf([alert], { silences: [silence] }),
      });
      await page.waitForSelector('.alerts-screen tbody tr, .alert-screen dl', WAIT);
      assert.ok((await page.textContent('main')).includes(hostile));
      assert.equal(
        await page.evaluate(() => window.owned ?? document.querySelectorAll('main img, main b').length),
        0,
      );
      await clean();
    }
  };

  tests['on a phone an alert is a card of a few lines, and still a row of a table'] = async () => {
    for (const lang of ['en', 'fr']) {
      const { page, clean } = await open('/alerts?show=all', {
        lang,
        width: 390,
        bypassCSP: true,
        route: alertsOf(SOME_ALERTS),
      });
      await page.waitForSelector('.alerts-screen tbody tr', WAIT);
      const rows = page.locator('.alerts-screen table').first().locator('tbody tr');
      if (process.env.SHOT) await page.screenshot({ path: `${process.env.SHOT}-${lang}.png` });
      for (const row of await rows.all()) {
        const { height } = await row.boundingBox();
        assert.ok(height <= 124, `${height} px: ${await row.innerText()}`);
      }
      assert.equal(
        await page.locator('.alerts-screen table').first().getByRole('row').count(),
        5,
        'a head and four alerts',
      );
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() =>
        window.axe.run('table', { resultTypes: ['violations'] }),
      );
      assert.deepEqual(
        violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => one.id),
        [],
      );
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${wide} px too wide`);
      if (process.env.SHOT) await page.screenshot({ path: `${process.env.SHOT}-${lang}.png` });
      await clean();
    }
  };

  tests['the page of an alert is sound for assistive technology, in the dark and on a phone'] = async () => {
    for (const [theme, width] of [
      ['light', 1440],
      ['dark', 390],
    ]) {
      const { page, clean } = await open('/alert?id=regression:1:p50', {
        theme,
        width,
        bypassCSP: true,
        allow: /Failed to load resource/,
        route: alertsOf(SOME_ALERTS),
      });
      await page.waitForSelector('section[aria-labelledby=silence-title] button', WAIT);
      await page.waitForTimeout(300);
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
      assert.deepEqual(
        violations
          .filter((one) => ['serious', 'critical'].includes(one.impact))
          .map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`),
        [],
      );
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${wide} px too wide`);
      await clean();
    }
  };

  tests['the alerts keep their last picture, greyed, when the collector goes away'] = async () => {
    let down = false;
    const { page, clean } = await open('/alerts?refresh=0.3', {
      allow: /Failed to load resource/,
      route: (p) => p.route('**/api/**', (route) => (down ? route.abort() : route.continue())),
    });
    await page.waitForSelector('.alerts-screen', WAIT);
    down = true;
    await page.waitForSelector('.alerts-screen.outdated', WAIT);
    down = false;
    await page.waitForSelector('.alerts-screen:not(.outdated)', WAIT);
    await clean();
  };

  tests['alerts of a pair are marks under its time axis that lead to their pages'] = async () => {
    const iso = (agoMs) =>
      new Date(Math.floor((Date.now() - agoMs) / 1000) * 1000).toISOString().replace('.000Z', 'Z');
    const alert = alertOf('regression:1:p50', { regressed_at: iso(1_500_000), fired_at: iso(1_200_000) });
    const { page, clean } = await open(`${pair}&refresh=0`, {
      route: alertsOf([alert, { ...alert, id: 'tcp', series: { ...alert.series, method: 'tcp_connect' } }]),
    });
    await page.waitForSelector('.charts li a', WAIT);
    assert.equal(await page.locator('.charts li a').count(), 1, 'another method is another chart');
    assert.match(
      await page.getAttribute('.charts li a', 'aria-label'),
      /rule regression, p50, since \d\d:\d\d UTC/,
    );
    const [bar, plot] = await Promise.all(
      ['.charts li', '.heat canvas'].map(async (one) => (await page.$(one)).boundingBox()),
    );
    assert.ok(
      bar.x > plot.x + plot.width / 2 && bar.x < plot.x + plot.width * 0.7,
      `${bar.x} in ${plot.x}+${plot.width}`,
    );
    assert.ok(Math.abs(bar.x + bar.width - plot.x - plot.width) < 2, 'it goes on');
    await page.focus('.charts li a');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.alert-screen', WAIT);
    await clean();
  };

  return tests;
}
