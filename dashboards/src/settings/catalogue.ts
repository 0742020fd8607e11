// Searching the catalogue. Pure: every word must occur somewhere in a row, whatever its case and accents.

import type { CatalogueAnswer } from '../api/model.ts';
import { matches } from '../matrix/model.ts';

export type CatalogueZone = CatalogueAnswer['zones'][number];
export type CatalogueEndpoint = CatalogueAnswer['endpoints'][number];

export function zonesWith(answer: CatalogueAnswer, words: string): CatalogueZone[] {
  return answer.zones.filter((zone) =>
    matches(`${zone.zone} ${zone.region_name} ${zone.country} ${zone.city} ${zone.metro}`, words),
  );
}

export function endpointsWith(answer: CatalogueAnswer, words: string): CatalogueEndpoint[] {
  return answer.endpoints.filter((one) =>
    matches(`${one.provider}/${one.region} ${one.zone_id ?? ''} ${one.host} ${one.methods.join(' ')}`, words),
  );
}
