// One change asked of the collector, and how it went. No retry: whoever asked decides.

import type { Problem } from './model.ts';

export type Sent<T> =
  | { ok: true; data: T }
  /** It answered that it will not; `reason` is its word for why, null when something else answered. */
  | { ok: false; kind: 'refused'; reason: string | null; detail: string }
  /** Nothing answered, so nobody knows. */
  | { ok: false; kind: 'unreachable' };

/** `body` is sent as JSON; an answer without content is null. */
export async function send<T>(
  method: 'POST' | 'DELETE',
  url: string,
  body: unknown = undefined,
  fetcher: typeof fetch = fetch,
): Promise<Sent<T>> {
  let response: Response;
  try {
    response = await fetcher(url, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    return { ok: false, kind: 'unreachable' };
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return { ok: true, data: answer as T };
  const problem = answer as Partial<Problem> | null;
  const detail = typeof problem?.detail === 'string' ? problem.detail : `HTTP ${response.status}`;
  const reason = typeof problem?.reason === 'string' ? problem.reason : null;
  return { ok: false, kind: 'refused', reason, detail };
}

/** The collector takes changes only from its own machine. */
export function isOnlyHere<T>(sent: Sent<T>): boolean {
  return !sent.ok && sent.kind === 'refused' && ['not_from_here', 'cross_site'].includes(sent.reason ?? '');
}
