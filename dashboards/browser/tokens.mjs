// Hosts and tokens on the settings screen in a real browser: the walk that adds a host, what is told once, what is ended after a second
// word, what somebody without the right is told. That the collector keeps to its roles is tested there.
import assert from 'node:assert/strict';
import { axeSource, json, WAIT } from './check.mjs';

const ADD = 'section[aria-labelledby=add-host-title]';
const TOKENS = 'section[aria-labelledby=join-tokens-title]';
const JOINED = 'section[aria-labelledby=joined-title]';
const API = 'section[aria-labelledby=api-tokens-title]';
const COMMAND = `${ADD} pre[aria-label="Install, join and start"]`;

export function tokenTests({ open, api, best }) {
  const tests = {};

  const place = async () =>
    (await api('agents')).agents.find((one) => one.agent === best.agent).vantage_point;

  /** Fills the form in and asks for the command, by keyboard alone from the city on. */
  async function ask(page, { city, network = 'Free', site }) {
    await page.fill(`${ADD} label:has-text("City") input`, city);
    await page.keyboard.press('Tab');
    await page.fill(`${ADD} label:has-text("Network") input`, network);
    if (site) await page.fill(`${ADD} label:has-text("Site") input`, site);
    await page.keyboard.press('Enter');
    await page.waitForSelector(COMMAND, WAIT);
    return page.textContent(COMMAND);
  }

  tests[
    'a host is added by one command, whose token is told once, listed by id, and ended after a second word'
  ] = async () => {
    const { page, clean } = await open('/settings');
    const known = await place();
    const command = await ask(page, { city: known.city, site: 'added-here' });
    assert.match(command, /^sudo sh install\.sh agent\n/);
    assert.match(command, /azimuth-agent join - --identity \S+ <<'TOKEN'\nazimuth1\.\S+\nTOKEN\n/);
    assert.match(
      command,
      new RegExp(`country = "${known.country}"\ncity = "${known.city}"\nnetwork = "Free"`),
    );
    assert.match(
      command,
      new RegExp(`latitude = ${Number(known.latitude.toFixed(2))}\n`),
      'known by its city',
    );
    const token = /azimuth1\.\S+/.exec(command)[0];
    assert.match(await page.textContent(ADD), /Shown only now/);
    await page.click(`${ADD} summary`);
    assert.equal(await page.textContent(`${ADD} details pre`), token);

    await page.reload();
    const row = page.locator(`${TOKENS} tbody tr:has-text("added-here")`).first();
    await row.waitFor(WAIT);
    assert.ok(!(await page.content()).includes(token), 'told once');
    assert.match(await row.innerText(), /1 of 1/);
    const id = await row.locator('code').textContent();
    const end = row.locator('button');
    await end.click();
    assert.equal(await end.textContent(), 'Revoke for good');
    await page.keyboard.press('Escape');
    assert.equal(await end.textContent(), 'Revoke', 'thought better of');
    await end.focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${TOKENS} >> text=Revoked: ${id}`, WAIT);
    const { tokens } = await api('fleet/tokens');
    assert.equal(tokens.find((one) => one.id === id).state, 'revoked');
    assert.equal(await page.locator(`${TOKENS} tbody tr:has-text("${id}")`).count(), 0);
    await page.check(`${TOKENS} input[type=checkbox]`);
    assert.match(await page.locator(`${TOKENS} tbody tr:has-text("${id}")`).innerText(), /revoked/);
    await clean();
  };

  tests['what comes next is ticked off as it happens: joined, then measuring'] = async () => {
    let agents = [];
    const { page, clean } = await open('/settings', {
      route: (p) => p.route('**/api/v1/fleet/agents', (route) => route.fulfill(json({ agents }))),
    });
    await ask(page, { city: (await place()).city });
    assert.match(await page.textContent(`${ADD} ol`), /Waiting for the first host/);
    const made = (await api('fleet/tokens')).tokens[0];
    agents = [
      {
        agent: best.agent,
        site: made.site,
        token: made.id,
        joined_at: made.made_at,
        revoked_at: null,
        copied: 0,
        copied_at: null,
      },
    ];
    await page.waitForSelector(`${ADD} li.done a:text-is("${best.agent}")`, WAIT);
    await page.waitForSelector(`${ADD} li.done:has-text("report to this collector")`, WAIT);
    await clean();
  };

  tests['the new panels have no serious accessibility fault, in three looks, and fit a phone in French'] =
    async () => {
      for (const look of ['theme=light', 'theme=dark', 'theme=dark&contrast=more']) {
        const { page, clean } = await open(`/settings?${look}`, { bypassCSP: true });
        await ask(page, { city: 'Paris' });
        await page.evaluate(axeSource);
        const { violations } = await page.evaluate(() =>
          window.axe.run('.settings', { resultTypes: ['violations'] }),
        );
        const serious = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
        assert.deepEqual(
          serious.map(
            (one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary}`,
          ),
          [],
          look,
        );
        await clean();
      }
      const { page, clean } = await open('/settings', { lang: 'fr', width: 390 });
      await page.fill(`${ADD} label:has-text("Ville") input`, 'Paris');
      await page.keyboard.press('Tab');
      await page.fill(`${ADD} label:has-text("Réseau") input`, 'Free');
      await page.keyboard.press('Enter');
      await page.waitForSelector(`${ADD} ol`, WAIT);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${wide} px too wide`);
      await clean();
    };

  tests['a command that is told whole scrolls by itself, and the screen fits a phone'] = async () => {
    const answers = (page) =>
      page.route('**/api/v1/api-tokens', (route) =>
        route.fulfill(json({ tokens: [], needs_administrator: true })),
      );
    const { page, clean } = await open('/settings', { width: 390, route: answers });
    const command = page.locator(`${API} code:has-text("user add NAME")`);
    await command.waitFor(WAIT);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${wide} px too wide`);
    assert.ok(await command.evaluate((code) => code.scrollWidth > code.clientWidth));
    await clean();
  };

  tests['who lacks the right is told which role it takes, and nothing is asked that would be refused'] =
    async () => {
      for (const [role, missing, tables] of [
        ['read', ['administer', 'operate', 'administer'], 0],
        ['operate', ['administer', 'administer'], 1],
      ]) {
        const asked = [];
        const session = { name: 'ben', role, can_log_in: true, can_log_out: true, is_public: false };
        const { page, clean } = await open('/settings', {
          route: async (p) => {
            await p.route('**/api/v1/session', (route) => route.fulfill(json(session)));
            await p.route(/api\/v1\/(api-tokens|fleet\/(tokens|agents))/, (route) => {
              asked.push(new URL(route.request().url()).pathname);
              return route.continue();
            });
          },
        });
        await page.waitForSelector(`${API} .missing`, WAIT);
        await page.waitForLoadState('networkidle');
        const told = await page.locator('.missing').allTextContents();
        assert.deepEqual(
          told.map((text) => /role “(\w+)”; ben has “(\w+)”/.exec(text)?.slice(1)),
          missing.map((one) => [one, role]),
        );
        assert.equal(await page.locator(TOKENS).count(), tables);
        assert.equal(await page.locator(`${JOINED} button, ${TOKENS} button`).count(), 0);
        assert.ok(!asked.includes('/api/v1/api-tokens'));
        if (role === 'read') assert.deepEqual(asked, []);
        await clean();
      }
    };

  tests['a change that the collector takes only on its own machine comes with the command for there'] =
    async () => {
      const refusal = {
        status: 403,
        contentType: 'application/problem+json',
        body: JSON.stringify({ status: 403, reason: 'not_from_here', title: '', detail: 'not from here' }),
      };
      const { page, clean } = await open('/settings', {
        allow: /Failed to load resource/,
        route: (p) =>
          p.route('**/api/v1/fleet/tokens', (route) =>
            route.request().method() === 'POST' ? route.fulfill(refusal) : route.continue(),
          ),
      });
      await page.fill(`${ADD} label:has-text("City") input`, 'Paris');
      await page.keyboard.press('Tab');
      await page.fill(`${ADD} label:has-text("Network") input`, 'Free');
      await page.keyboard.press('Enter');
      const told = page.locator(`${ADD} [role=alert]`);
      await told.waitFor(WAIT);
      assert.match(
        await told.innerText(),
        /own machine:\s+azimuth-collector token create --site paris --uses 1/,
      );
      await clean();
    };

  tests['an address in the clear is warned of and needs a word more'] = async () => {
    const { page, clean } = await open('/settings');
    await page.waitForSelector(`${ADD} form`, WAIT);
    await page.fill(`${ADD} label:has-text("City") input`, 'Paris');
    await page.fill(`${ADD} label:has-text("reach this collector") input`, 'http://192.0.2.1:8360');
    await page.waitForSelector(`${ADD} .bad:has-text("could read the token")`, WAIT);
    assert.ok(await page.isDisabled(`${ADD} button[type=submit]`));
    await page.check(`${ADD} input[type=checkbox]`);
    assert.ok(await page.isEnabled(`${ADD} button[type=submit]`));
    await clean();
  };

  tests[
    'an API token is told once, listed by name and role, and taken away; without accounts the screen says what comes first'
  ] = async () => {
    const { page, clean } = await open('/settings');
    await page.waitForSelector(`${API} h2`, WAIT);
    if ((await api('api-tokens')).needs_administrator) {
      await page.waitForSelector(`${API} >> text=azimuth-collector user add NAME --role administer`, WAIT);
      assert.equal(await page.locator(`${API} form`).count(), 0);
      return clean();
    }
    await page.fill(`${API} label:has-text("For what") input`, 'browser@check');
    await page.selectOption(`${API} label:has-text("Role") select`, 'operate');
    assert.match(await page.textContent(`${API} #role-note`), /acknowledge/);
    await page.click(`${API} form button`);
    const token = await page.textContent(`${API} pre`, WAIT);
    assert.match(token, /^azt_[0-9a-f]{64}$/);
    const row = page.locator(`${API} tbody tr:has-text("browser@check")`);
    await row.waitFor(WAIT);
    assert.match(await row.innerText(), /operate/);
    await page.reload();
    await row.waitFor(WAIT);
    assert.ok(!(await page.content()).includes(token), 'told once');
    await row.locator('button').click();
    await row.locator('button').click();
    await row.waitFor({ ...WAIT, state: 'detached' });
    assert.ok(!(await api('api-tokens')).tokens.some((one) => one.name === 'browser@check'));
    await clean();
  };

  tests['the plan in force says its version, who signed it and what it measures, or that there is none'] =
    async () => {
      const { page, clean } = await open('/settings');
      const panel = page.locator('section[aria-labelledby=plan-title]');
      await panel.locator('dl').waitFor(WAIT);
      const plan = await api('fleet/plan');
      const text = await panel.innerText();
      assert.ok(text.includes(String(plan.version)) && text.includes(plan.signed_by.slice(0, 10)), text);
      if (plan.entries.length === 0) assert.match(text, /No plan is configured|no entry/);
      for (const entry of plan.entries) assert.ok(text.includes(entry.name), entry.name);
      await clean();
    };

  return tests;
}
