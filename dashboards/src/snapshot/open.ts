// Opens a snapshot before anything is asked: fetches it, puts it in the collector's place, holds the clock at its time and goes
// to its view. The view is an address of this application, whatever the snapshot says.

import { get, type Fault } from '../api/client.ts';
import { freeze } from '../api/frozen.ts';
import type { SnapshotAnswer } from '../api/model.ts';
import { holdClock } from '../clock.svelte.ts';
import { location } from '../url/location.svelte.ts';
import { changeQuery, formatQuery } from '../url/state.ts';
import { s } from './messages.ts';

/** What went wrong, or null once the page may begin. */
export async function openSnapshot(id: string): Promise<Fault | null> {
  const url = `/api/v1/snapshots/${encodeURIComponent(id)}`;
  const got = await get<SnapshotAnswer>(url, new AbortController().signal);
  if (!got.ok) return got.fault;
  const { title, view, created_at, answers } = got.data;
  const createdAtMs = Date.parse(created_at);
  freeze({ title, view, createdAtMs, answers, notKept: s('not_kept') });
  holdClock(createdAtMs);
  // A link inside the snapshot carries its own view; its first page does not.
  const first = /^\/(snapshot\/?)?$/.test(window.location.pathname);
  if (first) {
    const at = new URL(view, window.location.origin);
    // Language and theme of the one who opens it win over those of the one who kept it.
    const own = new URLSearchParams(window.location.search);
    const look = Object.fromEntries(['lang', 'theme', 'clock'].map((name) => [name, own.get(name)]));
    const given = Object.fromEntries(Object.entries(look).filter(([, value]) => value !== null));
    const query = changeQuery(at.searchParams, { ...given, snapshot: id });
    location.go(at.pathname + formatQuery(query), { replace: true });
  }
  return null;
}
