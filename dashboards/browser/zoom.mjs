// Zooming the map in a real browser: by button, key, wheel, drag and two fingers, and what the address keeps of it.
import assert from 'node:assert/strict';
import { WAIT } from './check.mjs';

const ROW = 'tbody tr td.value';

export function zoomTests({ open, best }) {
  const tests = {};

  tests['the map zooms by button, key, wheel and drag, and the address keeps it'] = async () => {
    const { page, clean } = await open(`/?agent=${best.agent}`);
    await page.waitForSelector(ROW, WAIT);
    await page.waitForSelector('svg .chosen circle.dot', WAIT);
    const zoomOf = () => new URL(page.url()).searchParams.get('map');
    const factor = () => Number(zoomOf()?.split(',')[2] ?? 1);
    const until = (wanted) => page.waitForFunction(wanted, null, WAIT);
    await page.click('.zoom button[aria-label=Nearer]');
    await until(() => location.search.includes('map='));
    assert.equal(factor(), 1.6);
    await page.keyboard.press('+');
    await until(() => location.search.includes(',2.56'));
    const place = zoomOf().split(',').slice(0, 2).map(Number);
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((was) => !location.search.includes(`map=${was.join(',')}`), place, WAIT);
    assert.ok(Number(zoomOf().split(',')[0]) > place[0], 'to the right is east');

    // The address alone brings the same picture, whatever the page is.
    const land = () => page.getAttribute('svg g:has(> .land)', 'transform');
    const before = await land();
    await page.reload();
    await page.waitForSelector('svg .land[d^=M]', { ...WAIT, state: 'attached' });
    const numbers = (text) => text.match(/-?[\d.]+/g).map(Number);
    const [one, other] = [numbers(before), numbers(await land())];
    assert.ok(
      one.every((n, i) => Math.abs(n - other[i]) < 12),
      `${one} and ${other}`,
    );

    const box = await page.locator('.map > svg').boundingBox();
    const [x, y] = [box.x + box.width * 0.5, box.y + box.height * 0.2];
    const was = zoomOf();
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 60, y + 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction((was) => new URLSearchParams(location.search).get('map') !== was, was, WAIT);
    assert.equal(factor(), 2.56, 'a drag is no zoom');
    assert.equal(new URL(page.url()).searchParams.get('agent'), best.agent, 'and no click');
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -60);
    await page.keyboard.up('Control');
    await page.waitForFunction(
      () => Number(location.search.match(/map=[^&]*,([\d.]+)/)?.[1]) > 2.6,
      null,
      WAIT,
    );
    await page.focus('.zoom button[aria-label=Further]');
    await page.keyboard.press('0');
    await until(() => !location.search.includes('map='));
    assert.equal(await page.locator('.zoom button').count(), 2, 'nothing to reset any more');
    await page.goto(`${new URL(page.url()).origin}/?agent=${best.agent}&map=4,47,999&lang=en`);
    await page.waitForSelector(ROW, WAIT);
    assert.match(await land(), /scale\(1\)/, 'what cannot be is everything');
    await clean();
  };

  tests['two fingers zoom the map, and the page stays as it is'] = async () => {
    const { page, clean } = await open(`/?agent=${best.agent}`, { width: 390 });
    await page.waitForSelector('svg .land[d^=M]', { ...WAIT, state: 'attached' });
    await page.locator('.map > svg').scrollIntoViewIfNeeded();
    const box = await page.locator('.map > svg').boundingBox();
    const session = await page.context().newCDPSession(page);
    const touch = (type, spread) =>
      session.send('Input.dispatchTouchEvent', {
        type,
        touchPoints:
          type === 'touchEnd'
            ? []
            : [-1, 1].map((side, id) => ({
                x: box.x + box.width / 2 + side * spread,
                y: box.y + box.height / 2,
                id,
              })),
      });
    await touch('touchStart', 20);
    for (const spread of [26, 34, 44, 54]) await touch('touchMove', spread);
    await touch('touchEnd');
    await page.waitForFunction(() => location.search.includes('map='), null, WAIT);
    const factor = Number(new URL(page.url()).searchParams.get('map').split(',')[2]);
    assert.ok(factor > 1.5 && factor < 4, `${factor} times nearer`);
    assert.equal(await page.evaluate(() => window.visualViewport.scale), 1);
    await clean();
  };

  return tests;
}
