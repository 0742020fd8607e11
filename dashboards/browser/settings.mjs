// The settings in a real browser, and what the pages of agents and zones say of methods that are not there.
import assert from 'node:assert/strict';
import { WAIT } from './check.mjs';

export function settingsTests({ open, api, best }) {
  const tests = {};

  tests[
    'the settings give a file that delivers here, refuse a name no agent takes, and say one that is taken'
  ] = async () => {
    const { page, clean } = await open('/');
    await page.click('header a.settings');
    await page.click('details[aria-labelledby=install-title] summary', WAIT);
    await page.waitForSelector('details[aria-labelledby=install-title] pre', WAIT);
    const file = page.locator('pre[aria-label="agent.toml"]');
    assert.match(await file.textContent(), new RegExp(`url = "${new URL(page.url()).origin}"`));
    const name = page.locator('details[aria-labelledby=install-title] input');
    await name.fill('nice-2');
    assert.match(await file.textContent(), /^agent = "nice-2"/);
    await name.fill('Nice"\n');
    assert.match(await page.textContent('#agent-name-note'), /lower-case/);
    assert.ok(!(await file.textContent()).includes('Nice'));
    await name.fill(best.agent);
    assert.match(await page.textContent('#agent-name-note'), /reports already/);
    await clean();
  };

  tests['what was kept is listed with who and when, opens, and goes after a second word'] = async () => {
    const { page, clean } = await open(
      `/pair?agent=${best.agent}&zone=${best.zone.replaceAll('%', '%25')}&from=now-5m`,
    );
    await page.waitForSelector('.heat canvas', WAIT);
    await page.locator('header button.export').click();
    await page.getByRole('button', { name: 'Keep a snapshot' }).click();
    const href = await (await page.waitForSelector('.freeze a', WAIT)).getAttribute('href');
    await clean();

    const list = await open('/settings');
    const row = list.page.locator(
      `section[aria-labelledby=snapshots-title] tr:has(a[href$="${new URL(href).search}"])`,
    );
    await row.waitFor(WAIT);
    assert.match(await row.innerText(), /this machine/);
    assert.match(await row.innerText(), /\d\d:\d\d:\d\d UTC/);
    await row.locator('button').click();
    await list.page.waitForSelector('button:text-is("Delete for good")', WAIT);
    assert.equal(
      (await fetch(`${new URL(href).origin}/api/v1/snapshots/${new URL(href).searchParams.get('id')}`))
        .status,
      200,
    );
    await row.locator('button').click();
    await row.waitFor({ ...WAIT, state: 'detached' });
    assert.match(await list.page.textContent('section[aria-labelledby=snapshots-title]'), /Deleted:/);
    assert.equal(
      (await fetch(`${new URL(href).origin}/api/v1/snapshots/${new URL(href).searchParams.get('id')}`))
        .status,
      404,
    );
    await list.clean();
  };

  tests['the look is set and kept, the catalogue searched by the address'] = async () => {
    const { page, clean } = await open('/settings?find=paris');
    const zones = page.locator('section[aria-labelledby=catalogue-title] table').first();
    await zones.waitFor(WAIT);
    const names = await zones.locator('tbody th').allTextContents();
    const known = (await api('catalogue')).zones
      .filter((zone) => zone.metro === 'Paris')
      .map((zone) => zone.zone);
    assert.ok(names.length > 0 && names.every((name) => known.some((zone) => name.includes(zone))));
    await page.fill('section[aria-labelledby=catalogue-title] input', 'no such zone');
    await page.waitForFunction(() => location.search.includes('find=no'), null, WAIT);
    assert.equal(await zones.locator('tbody tr').count(), 0);
    await page.selectOption('section[aria-labelledby=look-title] label:has-text("Theme") select', 'dark');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await page.selectOption('section[aria-labelledby=look-title] label:has-text("Refresh") select', '0');
    assert.equal(new URL(page.url()).searchParams.get('refresh'), '0');
    await page.reload();
    await page.waitForSelector('section[aria-labelledby=look-title]', WAIT);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    assert.match(await page.textContent('section[aria-labelledby=about-title]'), /\d+\.\d+\.\d+/);
    await clean();
  };

  tests['an agent’s page says which methods have no answer and why'] = async () => {
    const { page, clean } = await open(`/agent?agent=${best.agent}`, {
      route: async (p) => {
        await p.route('**/api/v1/zones', async (route) => {
          const answer = await (await route.fetch()).json();
          for (const zone of answer.zones) zone.methods = [...zone.methods, 'dns_query'];
          await route.fulfill({ json: answer });
        });
        await p.route('**/api/v1/groups?group_by=method**', async (route) => {
          const answer = await (await route.fetch()).json();
          Object.assign(answer.groups[0], { returned: 0, n: 0, sent: 30, errors: { send_denied: 4 } });
          await route.fulfill({ json: answer });
        });
      },
    });
    const methods = page.locator('section[aria-labelledby=methods-title]');
    await methods.waitFor(WAIT);
    assert.match(
      await methods.locator('.trouble').first().textContent(),
      /no answer to 30 probes, 4 send_denied/,
    );
    assert.match(await methods.locator('tr.absent').textContent(), /dns_query[^]*not in the agent/);
    assert.match(await page.textContent('dl'), /collector \d/);
    await clean();
  };

  return tests;
}
