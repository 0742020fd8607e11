import { describe, expect, it } from 'vitest';
import { apiUrl, get } from './client.ts';

const answering = (status: number, type: string, body: string): typeof fetch =>
  (async () => new Response(body, { status, headers: { 'content-type': type } })) as typeof fetch;
const signal = new AbortController().signal;

it('apiUrl leaves out what is not asked and repeats lists', () => {
  expect(apiUrl('map', { from: 'now-5m', load: null, agent: ['a', 'b'] })).toBe(
    '/api/v1/map?from=now-5m&agent=a&agent=b',
  );
  expect(apiUrl('agents')).toBe('/api/v1/agents');
});

describe('get', () => {
  it('hands back the answer', async () => {
    expect(await get('/x', signal, answering(200, 'application/json', '{"a":1}'))).toEqual({
      ok: true,
      data: { a: 1 },
    });
  });

  it('shows the detail of a refusal', async () => {
    const fetcher = answering(400, 'application/problem+json', '{"detail":"unknown parameter x"}');
    expect(await get('/x', signal, fetcher)).toEqual({
      ok: false,
      fault: { kind: 'refused', detail: 'unknown parameter x' },
    });
  });

  it('a page that is not the API is a failure, not data', async () => {
    const answer = await get('/x', signal, answering(200, 'text/html', '<!doctype html>'));
    expect(answer).toMatchObject({ ok: false, fault: { kind: 'failed', status: 200 } });
  });

  it('overload may be asked again', async () => {
    const answer = await get('/x', signal, answering(503, 'application/problem+json', '{"detail":"busy"}'));
    expect(answer).toMatchObject({ ok: false, fault: { kind: 'failed', detail: 'busy' } });
  });

  it('no answer at all is unreachable', async () => {
    const fetcher = (async () => {
      throw new TypeError('network');
    }) as typeof fetch;
    expect(await get('/x', signal, fetcher)).toEqual({ ok: false, fault: { kind: 'unreachable' } });
  });
});
