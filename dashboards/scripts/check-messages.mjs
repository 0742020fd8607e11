// Fails when a message is missing in a language, has other {variables} there, or is used nowhere.
// The compiler already refuses unknown keys; this finds what a type cannot see.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('../src', import.meta.url));
const read = (name) => JSON.parse(readFileSync(join(root, 'i18n', `${name}.json`), 'utf8'));
const [en, fr] = [read('en'), read('fr')];
const sources = readdirSync(root, { recursive: true })
  .filter((name) => /\.(svelte|ts)$/.test(name))
  .map((name) => readFileSync(join(root, name), 'utf8'))
  .join('\n');
/** Keys put together at run time: t(`metric_${metric}`). */
const prefixes = [...sources.matchAll(/`(\w+_)\$\{[^}]*\}(\w*)`/g)].map(([, start, end]) => ({ start, end }));

const faults = [];
const variables = (text) =>
  [...text.matchAll(/\{(\w+)\}/g)]
    .map((match) => match[1])
    .sort()
    .join(' ');
for (const key of new Set([...Object.keys(en), ...Object.keys(fr)])) {
  if (!(key in en)) faults.push(`${key}: not in en.json`);
  else if (!(key in fr)) faults.push(`${key}: not in fr.json`);
  else if (variables(en[key]) !== variables(fr[key])) faults.push(`${key}: other variables in fr.json`);
  const used =
    sources.includes(`'${key}'`) || prefixes.some((p) => key.startsWith(p.start) && key.endsWith(p.end));
  if (!used) faults.push(`${key}: used nowhere`);
}
for (const fault of faults) console.error(`messages: ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`messages: ${Object.keys(en).length} keys in en and fr`);
