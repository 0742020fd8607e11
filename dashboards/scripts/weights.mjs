// What the build weighs as a browser receives it (gzip -9), and what it may. The first load is what the page needs before it shows
// anything: what index.html names, and what that imports. The rest is loaded when a screen is first opened, and weighed screen by
// screen. Judged by budget.mjs, shown beside the rest by browser/bench.mjs.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const KIB = 1024;
/** In KiB, gzip. Where they come from: first load of a tool that people open during an incident, on a phone. */
export const BUDGETS = {
  'JS + CSS': 90,
  'base map': 35,
  'first load': 150,
  'a screen': 40,
  'all JS + CSS': 230,
};

/** Of each part its budget's name, its own, and its weight in KiB; and the faults that are no matter of weight. */
export function weightsOf(dist) {
  const files = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const read = (name) => readFileSync(name, 'utf8');
  const named = new Map(files.map((name) => [basename(name), name]));
  const isCode = (name) => /\.(js|css)$/.test(name);

  /** Every file that `names` need before they run: imports, but not `import()`. */
  function withImports(names) {
    const found = new Set(names);
    for (const name of found) {
      if (!name.endsWith('.js')) continue;
      for (const [, imported] of read(name).matchAll(/(?:from|import)\s*["'`]\.\/([^"'`]+)["'`]/g)) {
        const file = named.get(imported);
        if (file) found.add(file);
      }
    }
    return found;
  }

  const page = read(join(dist, 'index.html'));
  const first = withImports([...named].filter(([short]) => page.includes(short)).map(([, name]) => name));
  const weigh = (names) =>
    [...names].reduce((sum, name) => sum + gzipSync(readFileSync(name), { level: 9 }).length, 0) / KIB;

  const later = files.filter((name) => isCode(name) && !first.has(name));
  const imported = new Set(
    later.filter((name) => name.endsWith('.js')).flatMap((name) => [...withImports([name])].slice(1)),
  );
  const stem = (name) => basename(name).replace(/-[\w-]{8}\.(js|css)$/, '');
  /** A screen is a script that only `import()` asks for, with the styles of its name and what it imports beyond the first load. */
  const screens = later
    .filter((name) => name.endsWith('.js') && !imported.has(name))
    .map((name) => {
      const parts = [...withImports([name])].filter((one) => !first.has(one));
      const stems = new Set(parts.map(stem));
      const styles = later.filter((one) => one.endsWith('.css') && stems.has(stem(one)));
      return [stem(name), weigh(new Set([...parts, ...styles]))];
    });

  const basemap = files.filter((name) => name.endsWith('.json'));
  const others = files.filter((name) => !isCode(name));
  const weights = [
    ['JS + CSS', 'JS + CSS', weigh([...first].filter(isCode))],
    ['base map', 'base map', weigh(basemap)],
    ['first load', 'first load', weigh(new Set([...first, ...others]))],
    ...screens.map(([name, weight]) => ['a screen', `+ ${name}`, weight]),
    ['all JS + CSS', 'all JS + CSS', weigh(files.filter(isCode))],
  ];
  const faults = [];
  if (first.size < 3) faults.push('index.html names no script or style; how is the page built now?');
  if (
    files.some((name) => name.endsWith('.html') && /<script(?![^>]*\bsrc=)|\bstyle=|<style/.test(read(name)))
  )
    faults.push('the built page carries inline script or style, which the CSP refuses');
  return { weights, faults };
}
