// Who owns a zone's provider and what it was certified for, as the catalogue has it: for narrowing the choice, and for showing beside
// the numbers. Pure. Every fact was read somewhere on some day and is shown with both; it is not a claim of this page, and a zone that
// misses a condition is said to miss it, never taken away.

import type { CatalogueAnswer, Zone } from '../api/model.ts';
import { readable } from '../url/checks.ts';

export type ProviderFacts = CatalogueAnswer['providers'][number];
export type Qualification = ProviderFacts['qualifications'][number];

/** What the address asks of a zone; null asks nothing. */
export interface Conditions {
  /** Country the zone stands in, ISO 3166-1 alpha-2. */
  country: string | null;
  /** Country of the company that owns the provider in the end. */
  owner: string | null;
  /** A certification that is held, such as `SecNumCloud`. */
  qualification: string | null;
}

export function readConditions(query: URLSearchParams): Conditions {
  const read = (name: string): string | null => readable(query, name);
  return { country: read('in'), owner: read('owner'), qualification: read('qualified') };
}

/** Whether a status says that it is held; `not held` and `in progress` do not. */
export function isHeld({ status }: Qualification): boolean {
  return /^held\b/.test(status);
}

/** Where the law of the owner applies: the country of the company that owns it in the end, else of the one that runs it. */
export function ownerOf(facts: ProviderFacts | undefined): string | null {
  return facts?.parent_country ?? facts?.operator_country ?? null;
}

export type Condition = keyof Conditions;

/** The conditions a zone does not meet, or of which the catalogue does not say that it meets them. */
export function missing(zone: Zone, facts: ProviderFacts | undefined, asked: Conditions): Condition[] {
  const missed: Condition[] = [];
  if (asked.country !== null && zone.country !== asked.country) missed.push('country');
  if (asked.owner !== null && ownerOf(facts) !== asked.owner) missed.push('owner');
  if (
    asked.qualification !== null &&
    !(facts?.qualifications ?? []).some((one) => one.scheme === asked.qualification && isHeld(one))
  )
    missed.push('qualification');
  return missed;
}

/** The values a condition may have: those of the zones that are measured, and the one asked for. */
export function choicesOf(
  zones: readonly Zone[],
  providers: ReadonlyMap<string, ProviderFacts>,
  asked: Conditions,
): Record<Condition, string[]> {
  const measured = [...new Set(zones.map((zone) => zone.provider))].map((id) => providers.get(id));
  const sorted = (values: (string | null)[], own: string | null): string[] =>
    [...new Set([...values, own])].filter((value) => value !== null).sort();
  return {
    country: sorted(
      zones.map((zone) => zone.country),
      asked.country,
    ),
    owner: sorted(measured.map(ownerOf), asked.owner),
    qualification: sorted(
      measured.flatMap((facts) => (facts?.qualifications ?? []).filter(isHeld).map((one) => one.scheme)),
      asked.qualification,
    ),
  };
}
