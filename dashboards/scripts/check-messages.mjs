// Fails when a message is missing in a language, has other {variables} there, or is used nowhere.
// The compiler already refuses unknown keys; this finds what a type cannot see. Looks at the shared texts and at those that
// lie beside a screen.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';

const root = fileURLToPath(new URL('../src', import.meta.url));
const names = readdirSync(root, { recursive: true });
const sources = names
  .filter((name) => /\.(svelte|ts)$/.test(name))
  .map((name) => readFileSync(join(root, name), 'utf8'))
  .join('\n');
/** Keys put together at run time: t(`metric_${metric}`). */
const prefixes = [...sources.matchAll(/`(\w+_)\$\{[^}]*\}(\w*)`/g)].map(([, start, end]) => ({ start, end }));
const variables = (text) =>
  [...text.matchAll(/\{(\w+)\}/g)]
    .map((match) => match[1])
    .sort()
    .join(' ');

const faults = [];
let keys = 0;
for (const folder of names.filter((name) => /(^|\/)en\.json$/.test(name)).map((name) => dirname(name))) {
  const read = (language) => JSON.parse(readFileSync(join(root, folder, `${language}.json`), 'utf8'));
  const [en, fr] = [read('en'), read('fr')];
  const fault = (key, what) => faults.push(`${folder}: ${key}: ${what}`);
  for (const key of new Set([...Object.keys(en), ...Object.keys(fr)])) {
    keys += 1;
    if (!(key in en)) fault(key, 'not in en.json');
    else if (!(key in fr)) fault(key, 'not in fr.json');
    else if (variables(en[key]) !== variables(fr[key])) fault(key, 'other variables in fr.json');
    const used =
      sources.includes(`'${key}'`) || prefixes.some((p) => key.startsWith(p.start) && key.endsWith(p.end));
    if (!used) fault(key, 'used nowhere');
  }
}
for (const fault of faults) console.error(`messages: ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`messages: ${keys} keys in en and fr`);
