import { describe, expect, it } from 'vitest';
import { makeAgent, makeCell, makeZone } from '../fixtures.ts';
import { buildMatrix, groupZones, matches, move, type MatrixView } from './model.ts';

const zones = [makeZone('aws/eu/a', 'Paris'), makeZone('ovh/eu/b', 'Roubaix'), makeZone('ovh/eu/c', 'Paris')];
const agents = [makeAgent('lyon', 'Lyon'), makeAgent('brest', 'Brest')];
const cells = [
  makeCell('brest', 'aws/eu/a', { p50_us: 9_000, p99_us: 50_000 }),
  makeCell('brest', 'ovh/eu/b', { p50_us: 5_000, n: 2 }),
  makeCell('brest', 'ovh/eu/c', { p50_us: 11_000 }),
  makeCell('lyon', 'aws/eu/a', { p50_us: 7_000 }),
];
const view: MatrixView = {
  metric: 'p50',
  group: 'provider',
  rows: 'none',
  country: null,
  network: null,
  metro: null,
  sort: 'name',
  agentFilter: '',
  zoneFilter: '',
};

describe('buildMatrix', () => {
  it('groups columns, large groups first, and aligns the cells with them', () => {
    const matrix = buildMatrix(agents, zones, cells, view);
    expect(matrix.groups.map((group) => group.key)).toEqual(['ovh', 'aws']);
    expect(matrix.zones.map((zone) => zone.zone_id)).toEqual(['c', 'b', 'a']);
    const brest = matrix.rows[0]!;
    expect(brest.agent.agent).toBe('brest');
    expect(brest.cells.map((one) => one?.value ?? null)).toEqual([11_000, 5_000, 9_000]);
  });

  it('never calls a barely measured zone the best of its row', () => {
    const brest = buildMatrix(agents, zones, cells, view).rows[0]!;
    expect(brest.cells[1]!.few).toBe(true);
    expect(brest.best).toBe(2);
  });

  it('an absent cell stays absent and sorts last', () => {
    const matrix = buildMatrix(agents, zones, cells, { ...view, sort: 'ovh/eu/c' });
    expect(matrix.rows.map((row) => row.agent.agent)).toEqual(['brest', 'lyon']);
    expect(matrix.rows[1]!.cells[0]).toBeNull();
  });

  it('sorts by a column and by the typical value', () => {
    const order = (sort: string): string[] =>
      buildMatrix(agents, zones, cells, { ...view, sort }).rows.map((row) => row.agent.agent);
    expect(order('aws/eu/a')).toEqual(['lyon', 'brest']);
    expect(order('typical')).toEqual(['lyon', 'brest']);
  });

  it('filters both ways', () => {
    const matrix = buildMatrix(agents, zones, cells, {
      ...view,
      agentFilter: 'BREST',
      zoneFilter: 'ovh paris',
    });
    expect(matrix.rows).toHaveLength(1);
    expect(matrix.zones.map((zone) => zone.zone_id)).toEqual(['c']);
  });
});

it('filters do not care for accents or order', () => {
  expect(matches('Genève (Swisscom)', 'swiss geneve')).toBe(true);
  expect(matches('Genève (Swisscom)', 'paris')).toBe(false);
});

it('groups by metro as well', () => {
  expect(groupZones(zones, 'metro').map((group) => [group.title, group.zones.length])).toEqual([
    ['Paris', 2],
    ['Roubaix', 1],
  ]);
});

it('arrow keys stop at the edges', () => {
  expect(move({ row: 0, column: 0 }, 'ArrowUp', 3, 4)).toEqual({ row: 0, column: 0 });
  expect(move({ row: 0, column: 0 }, 'ArrowRight', 3, 4)).toEqual({ row: 0, column: 1 });
  expect(move({ row: 1, column: 2 }, 'End', 3, 4)).toEqual({ row: 1, column: 3 });
  expect(move({ row: 1, column: 2 }, 'Home', 3, 4, true)).toEqual({ row: 0, column: 0 });
  expect(move({ row: 1, column: 2 }, 'x', 3, 4)).toBeNull();
});

describe('gathering and narrowing', () => {
  const four = ['a', 'b', 'c', 'd'].map((id) => makeAgent(id, id));
  four[1]!.vantage_point.country = 'BE';
  four[3]!.vantage_point.asn = 3215;
  const names = (more: Partial<MatrixView>): string[] =>
    buildMatrix(four, zones, cells, { ...view, ...more }).rows.map((row) => row.agent.agent);

  it('rows of one country or network stand together, the largest group first', () => {
    expect(names({ rows: 'country' })).toEqual(['a', 'c', 'd', 'b']);
    const { rowGroups } = buildMatrix(four, zones, cells, { ...view, rows: 'network' });
    expect(rowGroups.map((group) => [group.key, group.first, group.rows])).toEqual([
      ['AS64496', 0, 3],
      ['AS3215', 3, 1],
    ]);
  });

  it('a country, a network and a metro narrow each other', () => {
    expect(names({ country: 'FR', network: 'AS64496' })).toEqual(['a', 'c']);
    expect(buildMatrix(four, zones, cells, { ...view, metro: 'Roubaix' }).zones.length).toBe(1);
    expect(groupZones(zones, 'country').map((group) => group.key)).toEqual(['FR']);
  });
});
