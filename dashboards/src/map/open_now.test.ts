import { expect, it } from 'vitest';
import type { Alert, Incident } from '../api/model.ts';
import { makeCell } from '../fixtures.ts';
import { bestViews } from './model.ts';
import { openLines } from './open_now.ts';

it('what concerns the ways shown comes first, and an alert an incident speaks for has no line of its own', () => {
  const incident = (id: string, agent: string) =>
    ({ id, members: [{ series: { agent } }] }) as unknown as Incident;
  const alert = (id: string, agent: string, incident: string | null = null) =>
    ({ id, incident, series: { agent } }) as unknown as Alert;
  const lines = openLines(
    [incident('i1', 'far'), incident('i2', 'here')],
    [alert('a1', 'far'), alert('a2', 'here'), alert('a3', 'here', 'i1'), alert('a4', 'far', 'gone')],
    (series) => series['agent'] === 'here',
  );
  expect(lines.map((line) => line.id)).toEqual(['i2', 'a2', 'i1', 'a1', 'a4']);
});

it('a vantage point sees a metro by its best well-measured zone, and loses of all probes together', () => {
  const cells = [
    makeCell('a', 'p/r/1', { p50_us: 9_000, sent: 100, lost: 10 }),
    makeCell('a', 'p/r/2', { p50_us: 7_000, sent: 300, lost: 0 }),
    makeCell('a', 'p/r/3', { p50_us: 1_000, n: 3, sent: 0, lost: 0 }),
    makeCell('b', 'p/r/1', { p50_us: null, n: 0, sent: 100, lost: 100 }),
  ];
  expect([...bestViews(cells, 'p50')]).toEqual([['a', 7_000]]);
  expect([...bestViews(cells, 'loss')]).toEqual([
    ['a', 0.025],
    ['b', 1],
  ]);
});
