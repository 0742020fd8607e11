import { describe, expect, it } from 'vitest';
import type { GroupsAnswer } from '../api/model.ts';
import { makeAgent, makeCell, makeZone } from '../fixtures.ts';
import { rankZones } from './model.ts';
import { levelWithFirst, sectionsOf, standingsOf } from './standing.ts';
import { cellsOf, groupsOf, paramsOf, readGroup, writeGroup } from './vantage.ts';

const zones = ['a', 'b', 'c', 'd'].map((id) => makeZone(`p/r/${id}`, 'Paris'));
const noise = [-200, 100, 0, 200, -100, 0, 150, -150];

/** One row a zone and section: the value of the zone with the noise of the section, `turn` sections late. */
function answer(values: Record<string, number>, turn: Record<string, number> = {}): GroupsAnswer {
  const groups = Object.entries(values).flatMap(([id, p50_us]) =>
    noise.map((_, i) => ({
      ...makeCell('', ''),
      n: 30,
      p50_us: p50_us + noise[(i + (turn[id] ?? 0)) % noise.length]!,
      labels: { zone: `p/r/${id}` },
      agents: 1,
      zones: 1,
      start_at: `2026-11-23T10:00:0${i}Z`,
    })),
  );
  return { groups } as unknown as GroupsAnswer;
}

const values = { a: 9_000, b: 9_050, c: 11_000, d: 11_000 };
const cells = Object.entries(values).map(([id, p50_us]) => makeCell('', `p/r/${id}`, { p50_us }));
const ranked = rankZones(zones, cells, 'p50');

describe('standings', () => {
  it('zones whose difference drowns in their own noise share a rank, and the next counts on from there', () => {
    const standings = standingsOf(ranked, sectionsOf(answer(values, { b: 3 }), 'p50'));
    const said = ranked.map(({ zone }) => standings.get(zone.zone)!);
    expect(said.map((one) => one.rank)).toEqual([1, 1, 3, 3]);
    expect(said.every((one) => one.shared && one.half! > 0)).toBe(true);
    expect(levelWithFirst(standings)).toBe(1);
  });

  it('a difference that is there in every section is one, however small', () => {
    const standings = standingsOf(ranked, sectionsOf(answer(values), 'p50'));
    expect([standings.get('p/r/a')!.rank, standings.get('p/r/b')!.rank]).toEqual([1, 2]);
    expect(standings.get('p/r/a')!.shared).toBe(false);
  });

  it('without sections there is a rank and no interval, and nobody is called level but the equal', () => {
    const standings = standingsOf(ranked, new Map());
    expect(ranked.map(({ zone }) => standings.get(zone.zone)!.rank)).toEqual([1, 2, 3, 3]);
    expect(standings.get('p/r/a')!.half).toBeNull();
  });

  it('too few samples have no rank', () => {
    const few = rankZones(zones, [makeCell('', 'p/r/a', { n: 3 })], 'p50');
    expect(standingsOf(few, new Map()).get('p/r/a')!.rank).toBeNull();
  });

  it('a section cut short by the edge of the window is left out', () => {
    const cut = answer(values);
    cut.groups[0]!.n = 6;
    expect(sectionsOf(cut, 'p50').get('p/r/a')!.size).toBe(noise.length - 1);
  });
});

describe('groups of vantage points', () => {
  const agents = [
    makeAgent('p1', 'Paris'),
    makeAgent('p2', 'Paris'),
    makeAgent('b', 'Brest'),
    makeAgent('x', 'Nowhere'),
  ];
  agents[3]!.vantage_point.asn = 0;
  agents[3]!.vantage_point.network = 'AS: own';

  it('are read from the address and written back, and what has no member is none', () => {
    for (const text of ['all', 'city:Paris', 'country:FR', 'network:AS64496', 'network:AS: own'])
      expect(writeGroup(readGroup(text, agents)!)).toBe(text);
    for (const text of ['city:Atlantis', 'planet:Mars', 'city', '', ':'])
      expect(readGroup(text, agents)).toBeNull();
    expect(readGroup('city:Paris', agents)!.agents.map((one) => one.agent)).toEqual(['p1', 'p2']);
  });

  it('are asked for by the API’s own labels', () => {
    expect(paramsOf(readGroup('network:AS64496', agents)!)).toEqual({ network: 'AS64496' });
    expect(paramsOf(readGroup('all', agents)!)).toEqual({});
  });

  it('one vantage point alone is no group', () => {
    expect(groupsOf('city', agents).map((one) => one.value)).toEqual(['Paris']);
    expect(cellsOf(answer({ a: 1 }))[0]!.zone).toBe('p/r/a');
  });
});
