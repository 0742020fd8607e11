// Generates src/api/types.ts from the collector's OpenAPI description, so that server and screen cannot drift apart.
// `npm run types` writes it; with --check it only compares and fails when the committed file is stale.
// The description is ../collector/openapi.json, or the file named by AZIMUTH_OPENAPI.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const source =
  process.env.AZIMUTH_OPENAPI ?? fileURLToPath(new URL('../../collector/openapi.json', import.meta.url));
const target = fileURLToPath(new URL('../src/api/types.ts', import.meta.url));
const check = process.argv.includes('--check');

if (!existsSync(source)) {
  console.error(`types: ${source} is not there; set AZIMUTH_OPENAPI to the collector's openapi.json`);
  process.exit(check ? 0 : 1);
}

const head = '// Generated from the collector’s OpenAPI description by `npm run types`. Do not edit.\n\n';
const text = head + astToString(await openapiTS(pathToFileURL(source)));
const before = existsSync(target) ? readFileSync(target, 'utf8') : '';

if (!check) {
  writeFileSync(target, text);
  console.log(`types: wrote src/api/types.ts (${text.split('\n').length} lines)`);
} else if (before !== text) {
  console.error('types: src/api/types.ts is stale against the collector’s openapi.json; run `npm run types`');
  process.exit(1);
} else {
  console.log('types: src/api/types.ts matches the collector’s openapi.json');
}
