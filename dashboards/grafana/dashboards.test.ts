// The generated files are what the code says: `npx vitest run -u grafana` writes them, the plain run holds them.
import { expect, test } from 'vitest';
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
