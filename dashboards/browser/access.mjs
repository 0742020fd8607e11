// A collector that asks who one is: the form in every screen's place, what a wrong password says, and nothing of trouble. Who is let in
// is the collector's, and tested there.
import assert from 'node:assert/strict';
import { WAIT } from './check.mjs';

const problem = (status, reason) => ({
  status,
  contentType: 'application/problem+json',
  body: JSON.stringify({ status, reason, title: '', detail: reason }),
});

export function accessTests({ open }) {
  const tests = {};

  for (const path of ['/', '/matrix', '/alerts', '/status']) {
    tests[`who is not logged in is asked to, and told of no trouble, ${path}`] = async () => {
      const { page, clean } = await open(path, {
        allow: /Failed to load resource/,
        route: (p) =>
          p.route('**/api/v1/**', (route) => {
            const { pathname } = new URL(route.request().url());
            if (!pathname.endsWith('/session')) return route.fulfill(problem(401, 'not_logged_in'));
            if (route.request().method() === 'POST') return route.fulfill(problem(401, 'wrong_password'));
            const json = {
              name: null,
              role: null,
              can_log_in: true,
              can_log_out: false,
              is_public: false,
              sign_in_with: null,
            };
            return route.fulfill({ json });
          }),
      });
      await page.waitForSelector('input[type=password]', WAIT);
      assert.equal(await page.locator('.status.down').count(), 0, 'the collector is there');
      const grounds = await page.evaluate(() =>
        [...document.querySelectorAll('form input')].map((one) => getComputedStyle(one).backgroundColor),
      );
      assert.equal(new Set(grounds).size, 1, 'both fields look alike');
      await page.fill('input[autocomplete=username]', 'anna');
      await page.fill('input[type=password]', 'not it');
      await page.click('form button');
      await page.waitForSelector('text=Name or password are wrong', WAIT);
      assert.equal(await page.inputValue('input[type=password]'), '');
      await clean();
    };
  }

  tests['who comes back from the provider unknown is told so, and can try again'] = async () => {
    const { page, clean } = await open('/?sign_in=no_role', {
      allow: /Failed to load resource/,
      route: (p) =>
        p.route('**/api/v1/**', (route) => {
          const { pathname } = new URL(route.request().url());
          if (!pathname.endsWith('/session')) return route.fulfill(problem(401, 'not_logged_in'));
          const who = { name: null, role: null, can_log_in: false, can_log_out: false, is_public: false };
          return route.fulfill({ json: { ...who, sign_in_with: 'Example' } });
        }),
    });
    const link = page.locator('a.provider');
    await link.waitFor(WAIT);
    assert.equal(await link.textContent(), 'Sign in with Example');
    assert.equal(await link.getAttribute('href'), '/api/v1/oidc/login?return_to=%2F%3Flang%3Den');
    assert.equal(await page.locator('input[type=password]').count(), 0, 'nobody has a password here');
    assert.match(await page.locator('[role=alert]').textContent(), /Example knows you/);
    await clean();
  };

  return tests;
}
