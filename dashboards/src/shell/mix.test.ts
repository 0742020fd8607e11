import { expect, it } from 'vitest';
import { makeCell, makeZone } from '../fixtures.ts';
import { mixOf } from './mix.ts';

it('what a method leaves out, which clocks stamped, and what stands for a region is told apart', () => {
  const zones = [
    makeZone('a/r/1', 'Paris'),
    makeZone('a/r/2', 'Paris', { methods: ['icmp_echo', 'dns_query'] }),
  ];
  const cells = [
    makeCell('x', 'a/r/1'),
    makeCell('y', 'a/r/1', { clock: 'user', granularity: 'region' }),
    makeCell('z', 'a/r/1', { clock: null }),
    makeCell('w', 'a/r/1'),
  ];
  expect(mixOf(zones, cells, 'stamp')).toEqual({
    unmeasured: 1,
    others: ['dns_query', 'icmp_echo'],
    clocks: [
      ['kernel', 2],
      ['user', 1],
    ],
    vague: 1,
    all: 4,
  });
  expect(mixOf(zones.slice(0, 1), cells.slice(0, 1), 'stamp')).toMatchObject({ unmeasured: 0, vague: 0 });
});
