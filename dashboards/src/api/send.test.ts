import { expect, it } from 'vitest';
import { isOnlyHere, send } from './send.ts';

function answering(status: number, body: string | null): { asked: RequestInit[]; fetcher: typeof fetch } {
  const asked: RequestInit[] = [];
  const fetcher = ((_: string, init: RequestInit) => {
    asked.push(init);
    return Promise.resolve(new Response(body, { status }));
  }) as unknown as typeof fetch;
  return { asked, fetcher };
}

it('sends JSON and gives back the answer, or null when there is none', async () => {
  const made = answering(201, '{"id":1}');
  expect(await send('POST', '/x', { by: 'anna' }, made.fetcher)).toEqual({ ok: true, data: { id: 1 } });
  expect(made.asked[0]).toMatchObject({
    method: 'POST',
    body: '{"by":"anna"}',
    headers: { 'content-type': 'application/json' },
  });
  const gone = answering(204, null);
  expect(await send('DELETE', '/x', undefined, gone.fetcher)).toEqual({ ok: true, data: null });
  expect(gone.asked[0]).not.toHaveProperty('body');
});

it('tells a refusal by its reason, and silence from both', async () => {
  const { fetcher } = answering(403, '{"reason":"not_from_here","detail":"only here"}');
  const refused = await send('POST', '/x', {}, fetcher);
  expect(refused).toEqual({ ok: false, kind: 'refused', reason: 'not_from_here', detail: 'only here' });
  expect(isOnlyHere(refused)).toBe(true);
  const proxy = await send('POST', '/x', {}, answering(502, '<html>').fetcher);
  expect(proxy).toEqual({ ok: false, kind: 'refused', reason: null, detail: 'HTTP 502' });
  expect(isOnlyHere(proxy)).toBe(false);
  const silent = await send('POST', '/x', {}, () => Promise.reject(new TypeError('gone')));
  expect(silent).toEqual({ ok: false, kind: 'unreachable' });
});
