// One GET to the collector and every way it can go wrong, by name. No retry here: live.svelte.ts decides when to ask again.

import { answerFrom, frozen } from './frozen.ts';
import type { Problem } from './model.ts';

export type Fault =
  /** Nothing answered: the collector is down, or the network between is. */
  | { kind: 'unreachable' }
  /** It answers only who is logged in. */
  | { kind: 'login' }
  /** It answered that this question is wrong; asking again will not help. */
  | { kind: 'refused'; detail: string }
  /** It answered that it cannot now, or something else stood in for it. */
  | { kind: 'failed'; status: number; detail: string };

export type Answer<T> = { ok: true; data: T } | { ok: false; fault: Fault };

export type Params = Record<string, string | readonly string[] | null>;

/** The address of a question; null values are left out, because the collector refuses parameters it does not know. */
export function apiUrl(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null) continue;
    for (const one of typeof value === 'string' ? [value] : value) query.append(name, one);
  }
  const text = query.toString();
  return `/api/v1/${path}${text === '' ? '' : `?${text}`}`;
}

/** Names a response that is not a success. RFC 9457 problem details when the collector wrote them. */
export function faultOf(status: number, contentType: string | null, body: unknown): Fault {
  const problem = contentType?.includes('json') ? (body as Partial<Problem> | null) : null;
  const detail = typeof problem?.detail === 'string' ? problem.detail : `HTTP ${status}`;
  if (status === 401) return { kind: 'login' };
  return status >= 400 && status < 429 ? { kind: 'refused', detail } : { kind: 'failed', status, detail };
}

export async function get<T>(
  url: string,
  signal: AbortSignal,
  fetcher: typeof fetch = fetch,
): Promise<Answer<T>> {
  const snapshot = frozen();
  if (snapshot !== null) return answerFrom<T>(snapshot, url);
  let response: Response;
  try {
    response = await fetcher(url, { signal, headers: { accept: 'application/json' } });
  } catch (error) {
    if (signal.aborted) throw error;
    return { ok: false, fault: { kind: 'unreachable' } };
  }
  const contentType = response.headers.get('content-type');
  let body: unknown = null;
  try {
    body = await response.json();
  } catch (error) {
    if (signal.aborted) throw error;
  }
  if (response.ok && body !== null) return { ok: true, data: body as T };
  return { ok: false, fault: faultOf(response.status, contentType, body) };
}
