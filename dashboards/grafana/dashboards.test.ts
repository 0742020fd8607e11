// The generated files are what the code says: `npx vitest run -u grafana` writes them, the plain run holds them.
import { expect, test } from 'vitest';
import { droppedOf } from '../src/url/checks';
import { meansOn, readState, screenOf } from '../src/url/state';
import { parseInstant } from '../src/url/time';
import { dashboards } from './dashboards';

test.each(Object.entries(dashboards))('%s is generated', async (name, dashboard) => {
  await expect(`${JSON.stringify(dashboard, null, 2)}\n`).toMatchFileSnapshot(`generated/${name}.json`);
});

test('panels have numbers of their own and do not overlap', () => {
  for (const { panels } of Object.values(dashboards)) {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { gridPos, title } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x},${y}`), title).toBe(false);
          expect(x).toBeLessThan(24);
          taken.add(`${x},${y}`);
        }
      }
    }
  }
});

test('no query asks for a variable that its dashboard does not have', () => {
  const built_in = ['__rate_interval'];
  for (const { templating, panels, title } of Object.values(dashboards)) {
    const known = new Set([...built_in, ...templating.list.map(({ name }) => name)]);
    for (const { expr } of panels.flatMap(({ targets }) => targets)) {
      for (const [, name] of expr.matchAll(/\$(\w+)/g))
        expect(known.has(name ?? ''), `${title}: ${expr}`).toBe(true);
    }
  }
});

/** A link as Grafana fills it in for one series of a panel. */
function filled(url: string, labels: Record<string, string>): URL {
  const text = url
    .replaceAll('${azimuth}', 'https://azimuth.example.net')
    .replace(/\$\{__(from|to):date:iso\}/g, (_, end) => `2026-11-25T1${end === 'from' ? 0 : 1}:00:00.123Z`)
    .replace(/\$\{__field\.labels\.(\w+)(:percentencode)?\}/g, (_, label, encoded) =>
      encoded ? encodeURIComponent(labels[label]!) : labels[label]!,
    );
  expect(text).not.toContain('$');
  return new URL(text);
}

test('each link back leads to a screen that understands all of it, and asks for labels its query has', () => {
  const labels = { agent: 'brest-orange-1', zone: 'ionos/fr%2Fpar/fr%2Fpar' };
  const screens = new Set<string>();
  for (const { panels, title } of Object.values(dashboards)) {
    for (const panel of panels) {
      const links = panel.fieldConfig.defaults.links ?? [];
      for (const { url } of links) {
        const { pathname, searchParams } = filled(url, labels);
        const screen = screenOf(pathname);
        expect(screen, url).not.toBe('unknown');
        screens.add(screen);
        expect(
          droppedOf(searchParams, () => true, {}, []),
          url,
        ).toEqual([]);
        const state = readState(screen, searchParams);
        for (const [name, value] of searchParams) {
          expect(meansOn(screen, name), `${url}: ${name}`).toBe(true);
          if (name === 'from' || name === 'to') expect(parseInstant(value, 0), url).not.toBeNull();
          else expect(state[name as 'agent'], url).toBe(labels[name as keyof typeof labels]);
        }
        for (const [, label] of url.matchAll(/labels\.(\w+)/g))
          for (const { expr } of panel.targets)
            expect(expr, `${title}: ${panel.title}`).toMatch(
              new RegExp(`by \\([^)]*\\b${label}\\b|^[^(]*\\{${label}|_seconds\\{${label}|_total\\{${label}`),
            );
      }
    }
  }
  expect([...screens].sort()).toEqual(['agent', 'compare', 'map', 'pair', 'zone']);
});
