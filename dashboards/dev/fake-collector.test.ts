// The fake collector answers in the shapes of the collector's own OpenAPI description, so that screens built against the one
// work against the other. Skipped where that description is not present (a checkout of the screens alone).

import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript without types
import { startFakeCollector } from './fake-collector.mjs';

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  oneOf?: Schema[];
  prefixItems?: Schema[];
}
interface OpenApi {
  paths: Record<string, { get: { responses: { 200: { content: Record<string, { schema: Schema }> } } } }>;
  components: { schemas: Record<string, Schema> };
}

const source =
  process.env['AZIMUTH_OPENAPI'] ?? fileURLToPath(new URL('../../collector/openapi.json', import.meta.url));
const api = existsSync(source) ? (JSON.parse(readFileSync(source, 'utf8')) as OpenApi) : null;

function typeOf(value: unknown): string[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  return Number.isInteger(value) ? ['integer', 'number'] : [typeof value];
}

/** The part of JSON Schema that the description uses; returns every place where a value does not fit. */
function faults(value: unknown, schema: Schema, at: string): string[] {
  if (schema.$ref) return faults(value, api!.components.schemas[schema.$ref.split('/').at(-1)!]!, at);
  if (schema.oneOf) {
    const tries = schema.oneOf.map((one) => faults(value, one, at));
    return tries.some((one) => one.length === 0) ? [] : tries.flat();
  }
  const types = schema.type === undefined ? null : [schema.type].flat();
  if (types !== null && !typeOf(value).some((type) => types.includes(type))) {
    return [`${at}: ${JSON.stringify(value)} is not ${types.join(' or ')}`];
  }
  if (schema.enum && value !== null && !schema.enum.includes(value))
    return [`${at}: ${JSON.stringify(value)} not in enum`];
  if (Array.isArray(value)) {
    return value
      .slice(0, 50)
      .flatMap((one, i) => faults(one, schema.prefixItems?.[i] ?? schema.items ?? {}, `${at}[${i}]`));
  }
  if (value === null || typeof value !== 'object') return [];
  const object = value as Record<string, unknown>;
  const missing = (schema.required ?? [])
    .filter((name) => !(name in object))
    .map((name) => `${at}.${name}: missing`);
  const unknown = schema.properties
    ? Object.keys(object)
        .filter((name) => !(name in schema.properties!))
        .map((name) => `${at}.${name}: not described`)
    : [];
  const inner = Object.entries(schema.properties ?? {})
    .filter(([name]) => name in object)
    .flatMap(([name, property]) => faults(object[name], property, `${at}.${name}`));
  return [...missing, ...unknown, ...inner];
}

describe.skipIf(api === null)('the fake collector', () => {
  let server: { address(): AddressInfo; close(): void };
  beforeAll(async () => {
    server = (await startFakeCollector({ port: 0, dist: '.' })) as typeof server;
  });
  afterAll(() => server.close());

  const pair = 'agent=brest-orange&zone=aws/eu-west-3/euw3-az1';
  it.each([
    ['agents', ''],
    ['zones', ''],
    ['catalogue', ''],
    ['status', 'agents=100'],
    ['alerts', ''],
    ['rules', ''],
    ['silences', ''],
    ['groups', 'group_by=method&agent=brest-orange'],
    ['groups', 'group_by=zone&agent=brest-orange'],
    ['groups', 'group_by=zone&country=FR&metro=Paris&step=30s'],
    ['compare', 'agent=brest-orange'],
    ['map', ''],
    ['series', pair],
    ['heatmap', pair],
    ['distribution', pair],
    ['paths', pair],
    ['throughput', pair],
    ['throughput/newest', 'country=FR'],
    ['snapshots', ''],
    ['fleet/tokens', ''],
    ['fleet/agents', ''],
    ['fleet/plan', ''],
    ['api-tokens', ''],
  ])('answers %s as described', async (route, query) => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}/api/v1/${route}?${query}`);
    expect(response.status).toBe(200);
    const schema = api!.paths[`/api/v1/${route}`]!.get.responses[200].content['application/json']!.schema;
    expect(faults(await response.json(), schema, route)).toEqual([]);
  });
});
