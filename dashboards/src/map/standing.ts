// The ranked list's ranks: how sure each number is, and which zones stand level. Pure. A rank is shared by all that cannot be told
// apart from the best of them; whoever is surely behind begins the next rank.

import type { GroupsAnswer } from '../api/model.ts';
import { valueOf } from '../metric.ts';
import { halfWidth, level, type Sections } from '../numbers/sections.ts';
import type { Metric } from '../url/state.ts';
import type { RankedZone } from './model.ts';

/** Delays in one section below which its percentile is not one; tests are too rare for sections. */
const LEAST_IN_SECTION: Record<Metric, number> = {
  p50: 5,
  p90: 10,
  p99: 100,
  loss: 10,
  down: Infinity,
  up: Infinity,
};

export interface Standing {
  /** Null for a zone that is not ranked. */
  rank: number | null;
  /** Others share the rank. */
  shared: boolean;
  /** Half the width of the 95 % interval, in the unit of the value; null when the sections say too little. */
  half: number | null;
}

/** What each zone came to in each section, by zone. Sections cut short by the edge of the window are left out. */
export function sectionsOf(answer: GroupsAnswer | null, metric: Metric): Map<string, Sections> {
  const byZone = new Map<string, { start: string; value: number; weight: number }[]>();
  for (const row of answer?.groups ?? []) {
    const zone = row.labels['zone'];
    const value = valueOf(row, metric);
    const weight = metric === 'loss' ? row.sent : row.n;
    if (zone == null || value === null || weight < LEAST_IN_SECTION[metric]) continue;
    const list = byZone.get(zone) ?? [];
    list.push({ start: row.start_at, value, weight });
    byZone.set(zone, list);
  }
  return new Map(
    [...byZone].map(([zone, list]) => {
      const middle = list.map((one) => one.weight).sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
      const full = list.filter((one) => one.weight * 2 >= middle);
      return [zone, new Map(full.map((one) => [one.start, one.value]))];
    }),
  );
}

/** `ranked` as rankZones orders it. */
export function standingsOf(
  ranked: readonly RankedZone[],
  sections: ReadonlyMap<string, Sections>,
): Map<string, Standing> {
  const none: Sections = new Map();
  const found = new Map<string, Standing>();
  let leader: { whole: number; sections: Sections; members: Standing[] } | null = null;
  let place = 0;
  for (const one of ranked) {
    if (one.value === null || one.few) {
      found.set(one.zone.zone, { rank: null, shared: false, half: null });
      continue;
    }
    place += 1;
    const own = { whole: one.value, sections: sections.get(one.zone.zone) ?? none };
    // No loss at all in a window does not say how much there may be: its sections agree by having seen nothing.
    const half = own.whole === 0 ? null : halfWidth(own.whole, [...own.sections.values()]);
    const equal: boolean = leader !== null && (own.whole === leader.whole || level(leader, own) === true);
    if (leader === null || !equal) leader = { ...own, members: [] };
    const standing: Standing = { rank: leader.members[0]?.rank ?? place, shared: false, half };
    leader.members.push(standing);
    if (leader.members.length > 1) for (const member of leader.members) member.shared = true;
    found.set(one.zone.zone, standing);
  }
  return found;
}

/** How many besides the first share its rank. */
export function levelWithFirst(standings: ReadonlyMap<string, Standing>): number {
  return Math.max(0, [...standings.values()].filter((one) => one.rank === 1).length - 1);
}
