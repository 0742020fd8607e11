import { describe, expect, it } from 'vitest';
import { makeAgent, makeCell, makeZone } from '../fixtures.ts';
import { choicesOf, isHeld, missing, ownerOf, readConditions, type ProviderFacts } from './facts.ts';
import { floorsOf } from './floors.ts';
import { rowsOf } from './model.ts';

const qualification = (scheme: string, status: string) => ({
  scheme,
  status,
  scope: '',
  as_of: '2026-11-23',
  confidence: 'guessed' as const,
  source: 'from memory',
});
const facts = (provider: string, owner: string | null, ...held: string[][]): ProviderFacts => ({
  provider,
  name: provider,
  operator_country: 'DE',
  countries_as_of: '2026-11-23',
  countries_confidence: 'guessed',
  countries_source: 'from memory',
  parent_country: owner,
  qualifications: held.map(([scheme, status]) => qualification(scheme!, status!)),
});
const aws = facts('aws', 'US', ['SecNumCloud', 'not held (see s3ns)'], ['C5', 'held']);
const own = facts('outscale', 'FR', ['SecNumCloud', 'held (3.2, IaaS)']);
const paris = makeZone('aws/eu-west-3/a', 'Paris');
const query = (text: string) => readConditions(new URLSearchParams(text));

describe('conditions', () => {
  it('a certification that is not held, or only in progress, does not meet one', () => {
    expect(
      ['held', 'held (3.2)', 'not held', 'in progress', 'withheld'].map((status) =>
        isHeld(qualification('x', status)),
      ),
    ).toEqual([true, true, false, false, false]);
    expect(missing(paris, aws, query('qualified=SecNumCloud'))).toEqual(['qualification']);
    expect(missing(paris, own, query('qualified=SecNumCloud&owner=FR&in=FR'))).toEqual([]);
  });

  it('what the catalogue does not know is not met', () => {
    expect(missing(paris, undefined, query('owner=US&qualified=C5'))).toEqual(['owner', 'qualification']);
    expect(missing(paris, undefined, query('owner='))).toEqual([]);
    expect(ownerOf(facts('x', null))).toBe('DE');
  });

  it('only what a measured zone has can be chosen, and what the address asks', () => {
    const choices = choicesOf(
      [paris],
      new Map([
        ['aws', aws],
        ['outscale', own],
      ]),
      query('owner=XX'),
    );
    expect(choices).toEqual({ country: ['FR'], owner: ['US', 'XX'], qualification: ['C5'] });
  });
});

describe('above the fibre floor', () => {
  const near = makeAgent('near', 'Paris');
  const far = makeAgent('far', 'Marseille');
  Object.assign(far.vantage_point, { latitude: 43.3, longitude: 5.37 });
  const cells = [
    makeCell('near', paris.zone, { min_us: 900 }),
    makeCell('far', paris.zone, { min_us: 8_000 }),
  ];
  const rows = rowsOf([near, far], [paris], cells, 'p50');

  it('is the shortest delay minus light in straight fibre; a ratio only from about 100 km', () => {
    const [floors] = floorsOf(rows, [paris]);
    const [a, b] = rows.map((row, i) => ({ id: row.agent.agent, reading: floors!.readings[i]! }));
    const of = (id: string) => [a!, b!].find((one) => one.id === id)!.reading;
    expect(of('near').ratio).toBeNull();
    expect(Math.round(of('far').km)).toBeGreaterThan(640);
    expect(of('far').excessUs / 1000).toBeCloseTo(8 - of('far').km * 0.00979, 1);
    expect(floors!.middleUs).toBe(Math.min(of('near').excessUs, of('far').excessUs));
  });

  it('faster than light is said, an unknown place has no floor', () => {
    const quick = rowsOf([far], [paris], [makeCell('far', paris.zone, { min_us: 3_000 })], 'p50');
    expect(floorsOf(quick, [paris])[0]!.impossible).toBe(1);
    const nowhere = { ...paris, latitude: null };
    expect(floorsOf(rows, [nowhere])[0]).toMatchObject({ middleUs: null, impossible: 0 });
  });
});
