// What somebody may do here, as the collector's gate has it: three roles, each holding the ones before. Pure; what is really allowed is
// the collector's word, this only says beforehand.

import type { Session } from '../api/model.ts';

export type Role = NonNullable<Session['role']>;

const ORDER: readonly Role[] = ['read', 'operate', 'administer'];

/** While nobody knows who asks, nothing is offered. */
export function may(session: Session | null, least: Role): boolean {
  const role = session?.role ?? null;
  return role !== null && ORDER.indexOf(role) >= ORDER.indexOf(least);
}
