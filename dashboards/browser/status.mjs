// The status in a real browser: what needs a person, agents in order, hostile names, a collector that went away.
import assert from 'node:assert/strict';
import { json, WAIT } from './check.mjs';

export function statusTests({ open, api, screens }) {
  const tests = {};

  // The page is given one answer throughout: which of two equally well agents was heard last changes by the second.
  const statusOf = (answer) => (page) =>
    page.route('**/api/v1/status?**', (route) => route.fulfill(json(answer)));
  const ofStatus = (change) => async (page) => {
    const answer = await api('status?agents=1000');
    change(answer);
    await statusOf(answer)(page);
  };

  tests['the status says at a glance whether anything needs a person, as the API does'] = async () => {
    const answer = await api('status?agents=1000');
    const { page, clean } = await open('/status', { route: statusOf(answer) });
    await page.waitForSelector(screens.status.ready, WAIT);
    const title = await page.textContent('h1');
    if (answer.concerns.length === 0) assert.match(title, /Nothing needs you/);
    else assert.match(title, new RegExp(`^(One|${answer.concerns.length}) thing`));
    assert.deepEqual(
      await page.locator('section li code').allTextContents(),
      answer.concerns.map((concern) => concern.name),
    );
    assert.equal(await page.locator('.range :first-child').count(), 0, 'no range to choose: it is about now');
    await clean();
  };

  tests['a collector that is well says nothing else, and one of a later release is quoted'] = async () => {
    const well = ofStatus((answer) => Object.assign(answer, { state: 'healthy', concerns: [] }));
    const { page, clean } = await open('/status', { route: well, lang: 'fr' });
    await page.waitForSelector(screens.status.ready, WAIT);
    assert.match(await page.textContent('h1'), /Rien ne demande/);
    assert.equal(await page.locator('section li').count(), 0);
    await clean();
    const unheard = { name: 'moon_full', detail: 'the moon is full', remedy: 'wait' };
    const later = ofStatus((answer) => Object.assign(answer, { state: 'degraded', concerns: [unheard] }));
    const second = await open('/status', { route: later, lang: 'fr' });
    await second.page.waitForSelector('section li', WAIT);
    assert.match(await second.page.textContent('section li'), /the moon is full[^]*wait/);
    await second.clean();
  };

  tests['agents are sorted from the keyboard, and the address remembers it'] = async () => {
    const answer = await api('status?agents=1000');
    const { page, clean } = await open('/status', { route: statusOf(answer) });
    await page.waitForSelector(screens.status.ready, WAIT);
    const ids = () => page.locator('th.agent .id').allTextContents();
    const worst = answer.agents.worst.map((one) => one.agent);
    assert.deepEqual(await ids(), worst);
    await page.focus('thead th.agent button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('th.agent[aria-sort=ascending]', WAIT);
    const up = await page.locator('th.agent .name').allTextContents();
    assert.deepEqual(
      up,
      up.toSorted((a, b) => a.localeCompare(b, undefined, { numeric: true })),
    );
    await page.keyboard.press('Enter');
    await page.waitForSelector('th.agent[aria-sort=descending]', WAIT);
    assert.equal(new URL(page.url()).searchParams.get('by'), '-agent');
    await page.click('text=Worst first');
    await page.waitForFunction(() => !location.search.includes('by='), null, WAIT);
    assert.deepEqual(await ids(), worst);
    await clean();
  };

  tests['names that agents give themselves are inert on the status'] = async () => {
    const hostile = '<img src=x onerror="window.owned=1"><b>bold</b>';
    const { page, clean } = await open('/status', {
      route: ofStatus((answer) => {
        Object.assign(answer.agents.worst[0], { name: hostile, version: hostile });
        answer.refusals = [{ kind: hostile, subject: hostile, reason: hostile, lately: 1, total: 1 }];
        answer.concerns = [{ name: hostile, detail: hostile, remedy: hostile }];
      }),
    });
    await page.waitForSelector(screens.status.ready, WAIT);
    assert.equal(await page.locator('th.agent .name').first().textContent(), hostile);
    assert.equal(
      await page.evaluate(() => window.owned ?? document.querySelectorAll('main img, main b').length),
      0,
    );
    await clean();
  };

  tests['the status keeps its last picture, greyed, when the collector goes away'] = async () => {
    let down = false;
    const { page, clean } = await open('/status?refresh=0.3', {
      allow: /Failed to load resource/,
      route: (p) => p.route('**/api/**', (route) => (down ? route.abort() : route.continue())),
    });
    await page.waitForSelector(screens.status.ready, WAIT);
    down = true;
    await page.waitForSelector('.status-screen.outdated', WAIT);
    assert.ok((await page.locator('th.agent').count()) > 1);
    down = false;
    await page.waitForSelector('.status-screen:not(.outdated)', WAIT);
    await clean();
  };

  return tests;
}
