// Signing in with the identity provider that the collector names: where the way there begins, and which text a refusal has. Pure; who
// is believed is the collector's.

import type { AccessKey } from './messages.ts';

/** Where the way to the provider begins; it ends on the page it began on. */
export function signInAddress(here: { pathname: string; search: string }): string {
  const query = new URLSearchParams(here.search);
  query.delete('sign_in');
  const search = query.size > 0 ? `?${query}` : '';
  return `/api/v1/oidc/login?return_to=${encodeURIComponent(here.pathname + search)}`;
}

/** What to say when the collector sent the browser back with a refusal; `reason` helps whoever looks into the log. */
export function signInRefusal(query: URLSearchParams): { key: AccessKey; reason: string } | null {
  const given = query.get('sign_in');
  if (given === null) return null;
  // What is no word of the collector's is not repeated.
  const reason = /^[a-z_]{1,40}$/.test(given) ? given : '?';
  if (reason === 'no_role') return { key: 'sign_in_no_role', reason };
  if (reason === 'provider_unreachable') return { key: 'sign_in_unreachable', reason };
  return { key: reason === 'login_throttled' ? 'throttled' : 'sign_in_failed', reason };
}
