// Takes pictures of the screens, wide and narrow, light and dark, for a person to look at.
// Usage: AZIMUTH_URL=http://127.0.0.1:8361 node browser/shots.mjs OUTPUT_DIR [name-filter]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from './chromium.mjs';

const base = process.env.AZIMUTH_URL ?? 'http://127.0.0.1:8361';
const [out = 'shots', filter = ''] = process.argv.slice(2);
mkdirSync(out, { recursive: true });

const SCREENS = {
  map: '/?agent=brest-orange',
  'map-paris': '/?agent=paris-free&metric=p99',
  'map-france': '/?vantage=country:FR&list=metro',
  'map-star': '/?vantage=all&metro=Paris',
  matrix: '/matrix',
  'matrix-versus': '/matrix?vs=1h&rows=network&group=country',
  'matrix-metro': '/matrix?group=metro&metric=loss&sort=typical',
  pair: '/pair?agent=brest-orange&zone=aws/eu-west-3/euw3-az1',
  agent: '/agent?agent=brest-orange',
  zone: '/zone?zone=aws/eu-west-3/euw3-az1',
  compare:
    '/compare?of=aws/eu-west-3/euw3-az1,gcp/europe-west9/europe-west9-a,scaleway/fr-par/fr-par-2,alibaba/eu-west-2/eu-west-2a',
  alerts: '/alerts',
  status: '/status',
  settings: '/settings',
  'map-contrast': '/?agent=brest-orange&contrast=more',
};
// Pages about an alert need one: the first that is about a change of level.
const { alerts } = await (await fetch(`${base}/api/v1/alerts`)).json();
const alert = alerts.find((one) => one.measure === 'p50');
if (alert) {
  const { agent, zone } = alert.series;
  SCREENS.alert = `/alert?id=${alert.id}`;
  SCREENS['pair-alerts'] = `/pair?agent=${agent}&zone=${zone}&from=now-6h`;
}
const browser = await launch();
for (const width of [1440, 390]) {
  for (const theme of ['light', 'dark']) {
    for (const [name, path] of Object.entries(SCREENS)) {
      const file = `${name}-${width}-${theme}.png`;
      if (!file.includes(filter)) continue;
      const page = await browser.newPage({
        viewport: { width, height: width === 390 ? 844 : 900 },
        colorScheme: theme,
        locale: process.env.AZIMUTH_SHOTS_LOCALE ?? 'en-GB',
      });
      page.on('console', (message) => message.type() === 'error' && console.error(file, message.text()));
      page.on('pageerror', (error) => console.error(file, error.message));
      await page.goto(base + path, { waitUntil: 'networkidle' });
      await page.waitForTimeout(250);
      await page.screenshot({
        path: join(out, file),
        fullPage: width === 390 || !/^(map|matrix)/.test(name),
      });
      await page.close();
    }
  }
}
await browser.close();
