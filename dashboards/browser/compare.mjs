// The comparison in a real browser: conditions from the catalogue, facts with date and source, the fibre floor.
import assert from 'node:assert/strict';
import { json, WAIT } from './check.mjs';

export function compareTests({ open, api }) {
  const tests = {};
  const READY = 'section[aria-labelledby=floors-title] tbody td';

  tests['zones are offered by owner and qualification, and what misses a condition is said, not taken away'] =
    async () => {
      const { zones } = await api('zones');
      const [one, two] = [...new Map(zones.map((zone) => [zone.provider, zone])).values()];
      const qualification = {
        scheme: 'SecNumCloud',
        status: 'held <b>3.2</b>',
        scope: '',
        as_of: '2026-11-20',
        confidence: 'verified',
        source: 'the issuer’s list',
      };
      const provider = (id, owner, qualifications) => ({
        provider: id,
        name: id,
        operator_country: owner,
        parent_country: owner,
        qualifications,
      });
      const { page, clean } = await open(`/compare?of=${one.zone},${two.zone}`, {
        route: (p) =>
          p.route('**/api/v1/catalogue', (route) =>
            route.fulfill(
              json({
                providers: [provider(one.provider, 'FR', [qualification]), provider(two.provider, 'US', [])],
                zones: [],
                endpoints: [],
              }),
            ),
          ),
      });
      await page.waitForSelector(READY, WAIT);
      const facts = page.locator('section[aria-labelledby=facts-title]');
      assert.match(
        await facts.textContent(),
        /SecNumCloud\s+held <b>3.2<\/b>\s+\(verified, 2026-11-20: the issuer/,
      );
      assert.match(await facts.textContent(), /nothing read/);
      assert.equal(await page.locator('.missed').count(), 0);
      await page.selectOption('select[aria-label="Qualification held"]', 'SecNumCloud');
      await page.waitForSelector('.missed', WAIT);
      const query = new URL(page.url()).searchParams;
      assert.deepEqual([query.get('qualified'), query.get('of')], ['SecNumCloud', `${one.zone},${two.zone}`]);
      assert.match(await page.locator('.missed').textContent(), /does not meet: Qualification held/);
      const offered = await page
        .locator('select[aria-label="Add a zone"] option')
        .evaluateAll((all) => all.map((option) => option.value).filter(Boolean));
      assert.ok(
        offered.length > 0 && offered.every((zone) => zone.startsWith(`${one.provider}/`)),
        offered.join(),
      );
      await page.selectOption('select[aria-label="Country of the owner"]', 'US');
      await page.waitForSelector('.note:has-text("No measured zone meets all")', WAIT);
      await clean();
    };

  tests['each way stands beside light in straight fibre, and what is faster than light is said'] =
    async () => {
      const { zones } = await api('zones');
      const placed = zones.filter((zone) => zone.latitude !== null).slice(0, 2);
      const { page, clean } = await open(`/compare?of=${placed.map((zone) => zone.zone).join(',')}`, {
        route: (p) =>
          p.route('**/api/v1/map?**', async (route) => {
            const answer = await (await route.fetch()).json();
            for (const cell of answer.cells) cell.min_us = cell.zone === placed[0].zone ? 100 : 50_000;
            await route.fulfill({ json: answer });
          }),
      });
      await page.waitForSelector(READY, WAIT);
      const rows = await page.locator('section[aria-labelledby=floors-title] tbody tr').count();
      assert.ok(rows > 1);
      assert.ok((await page.locator('td.impossible').count()) > 0);
      assert.match(await page.locator('td.floor').first().textContent(), /faster than light/);
      assert.match(await page.locator('td.floor').last().textContent(), /^\s*\+\d/);
      const far = page.locator('section[aria-labelledby=floors-title] td:has-text("×")').first();
      assert.match(await far.textContent(), /km, \d+\.\d–\d+\.\d×/);
      await clean();
    };

  return tests;
}
