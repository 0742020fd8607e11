// What every check in the browser needs: how long to wait, an answer of the API, the accessibility checker.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const WAIT = { timeout: 15_000 };
export const json = (body) => ({ status: 200, contentType: 'application/json', body: JSON.stringify(body) });
export const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
