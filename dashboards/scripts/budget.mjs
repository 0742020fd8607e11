// Weighs the build as a browser receives it (gzip -9) and fails when a budget is broken. Run by `npm run build`.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const KIB = 1024;
/** In KiB, gzip. Where they come from: first load of a tool that people open during an incident, on a phone. */
const BUDGETS = { 'JS + CSS': 90, 'base map': 35, 'first load': 150 };

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const weigh = (pattern) =>
  files
    .filter((name) => pattern.test(name))
    .reduce((sum, name) => sum + gzipSync(readFileSync(name), { level: 9 }).length, 0) / KIB;

const weights = { 'JS + CSS': weigh(/\.(js|css)$/), 'base map': weigh(/\.json$/), 'first load': weigh(/./) };
let broken = false;
for (const [name, budget] of Object.entries(BUDGETS)) {
  const weight = weights[name];
  broken ||= weight > budget;
  console.log(
    `budget: ${name.padEnd(10)} ${weight.toFixed(1).padStart(6)} KiB of ${budget} KiB gzip${weight > budget ? '  OVER' : ''}`,
  );
}
if (
  files.some(
    (name) =>
      name.endsWith('.html') && /<script(?![^>]*\bsrc=)|\bstyle=|<style/.test(readFileSync(name, 'utf8')),
  )
) {
  console.error('budget: the built page carries inline script or style, which the CSP refuses');
  broken = true;
}
process.exit(broken ? 1 : 0);
