import { describe, expect, it } from 'vitest';
import { makeAgent, makeCell, makeZone } from '../fixtures.ts';
import { chooseAgent, frameOf, gatherCities, gatherMetros, nextAgentIn, rankZones } from './model.ts';

const zones = [
  makeZone('aws/r/slow', 'Paris'),
  makeZone('aws/r/fast', 'Paris'),
  makeZone('ovh/r/thin', 'Gravelines'),
  makeZone('ovh/r/silent', 'Roubaix'),
];
const cells = [
  makeCell('a', 'aws/r/slow', { p50_us: 12_000 }),
  makeCell('a', 'aws/r/fast', { p50_us: 9_000 }),
  makeCell('a', 'ovh/r/thin', { p50_us: 1_000, n: 3 }),
];

describe('rankZones', () => {
  it('puts the best first, the barely measured after every measured one, the silent last', () => {
    expect(rankZones(zones, cells, 'p50').map((one) => one.zone.zone_id)).toEqual([
      'fast',
      'slow',
      'thin',
      'silent',
    ]);
  });

  it('orders equal losses by delay', () => {
    const ranked = rankZones(zones.slice(0, 2), cells, 'loss');
    expect(ranked.map((one) => one.zone.zone_id)).toEqual(['fast', 'slow']);
  });
});

describe('gatherMetros', () => {
  it('lets the best well-measured zone speak for its metro', () => {
    const metros = gatherMetros(rankZones(zones, cells, 'p50'), 'p50');
    expect(metros.map((metro) => [metro.name, metro.value])).toEqual([
      ['Paris', 9_000],
      ['Gravelines', null],
      ['Roubaix', null],
    ]);
  });

  it('adds up the losses of a metro instead of showing its luckiest zone', () => {
    const lossy = [
      makeCell('a', 'aws/r/slow', { sent: 300, lost: 30, loss_ratio: 0.1 }),
      makeCell('a', 'aws/r/fast', { sent: 300, lost: 0, loss_ratio: 0 }),
    ];
    const ranked = rankZones(zones, lossy, 'loss');
    expect(ranked[0]!.zone.zone_id).toBe('slow');
    expect(gatherMetros(ranked, 'loss')[0]).toMatchObject({ name: 'Paris', value: 0.05 });
  });

  it('leaves a zone without coordinates to the list', () => {
    const unknown = makeZone('x/r/z', 'r', { latitude: null, longitude: null });
    expect(gatherMetros(rankZones([unknown], [], 'p50'), 'p50')).toEqual([]);
  });
});

it('one city alone is framed at the scale of a country, in its middle', () => {
  const frame = frameOf([{ latitude: 48, longitude: 2 }]);
  const longitudes = frame.map(([longitude]) => longitude);
  expect(Math.max(...longitudes) - Math.min(...longitudes)).toBe(8);
  expect((Math.max(...longitudes) + Math.min(...longitudes)) / 2).toBe(2);
});

it('a metro is dead only when every zone of it was probed in vain', () => {
  const dead = { n: 0, returned: 0, lost: 300, loss_ratio: 1, p50_us: null };
  const paris = zones.slice(0, 2);
  const both = cells.slice(0, 2).map((cell) => ({ ...cell, ...dead }));
  expect(gatherMetros(rankZones(paris, both, 'p50'), 'p50')[0]).toMatchObject({ value: null, dead: true });
  expect(gatherMetros(rankZones(paris, [both[0]!, cells[1]!], 'p50'), 'p50')[0]!.dead).toBe(false);
});

describe('vantage points', () => {
  const agents = [
    makeAgent('off', 'Nice', { state: 'offline' }),
    makeAgent('p1', 'Paris'),
    makeAgent('p2', 'Paris'),
  ];

  it('one dot per city, a click walks through its networks', () => {
    const paris = gatherCities(agents)[1]!;
    expect(paris.agents).toHaveLength(2);
    expect(nextAgentIn(paris, null)).toBe('p1');
    expect(nextAgentIn(paris, 'p1')).toBe('p2');
    expect(nextAgentIn(paris, 'p2')).toBe('p1');
  });

  it('starts with the asked one, else a live one', () => {
    expect(chooseAgent(agents, 'off')!.agent).toBe('off');
    expect(chooseAgent(agents, null)!.agent).toBe('p1');
    expect(chooseAgent([], null)).toBeNull();
  });
});
