import { describe, expect, it } from 'vitest';
import type { NewestThroughputAnswer, ThroughputTest } from '../api/model.ts';
import { fitClasses } from '../draw/scale.ts';
import { makeAgent, makeCell, makeZone } from '../fixtures.ts';
import { rankZones } from '../map/model.ts';
import { buildMatrix, type MatrixView } from '../matrix/model.ts';
import { cellValue, valueWithUnit } from '../metric.ts';
import { lookBack, middles, withCarried } from './carried.ts';
import { ceiling, marksOf, newestOf } from './model.ts';

type Row = NewestThroughputAnswer['cells'][number];
const row = (agent: string, zone: string, bps: number | null, more: Partial<Row> = {}): Row => ({
  agent,
  zone,
  direction: 'download',
  reading: bps === null ? 'failed' : 'estimate',
  bps,
  at: '2026-11-25T10:00:00Z',
  congestion_control: 'bbr',
  added_delay_us: 900,
  tests: 1,
  failed: 0,
  ...more,
});
const answer = (cells: Row[]): NewestThroughputAnswer => ({
  from: '2026-11-24T10:00:00Z',
  to: '2026-11-25T10:00:00Z',
  cells,
});

describe('what paths carry', () => {
  it('is looked for over a day at least, ending where the view ends', () => {
    const now = Date.parse('2026-11-25T12:00:00Z');
    expect(lookBack({ from: 'now-5m', to: 'now' }, now)).toEqual({ from: 'now-24h', to: 'now' });
    expect(lookBack({ from: 'now-7d', to: 'now' }, now).from).toBe('now-7d');
    expect(lookBack({ from: '2026-11-20T10:00:00Z', to: '2026-11-20T11:00:00Z' }, now)).toEqual({
      from: '2026-11-19T11:00:00Z',
      to: '2026-11-20T11:00:00Z',
    });
  });

  it('stands beside delays, and alone where none were measured', () => {
    const cells = withCarried(
      [makeCell('a', 'p/r/1'), makeCell('a', 'p/r/2')],
      answer([row('a', 'p/r/1', 94e6, { reading: 'lower_bound' }), row('a', 'p/r/3', 5e6)]),
    );
    expect(cells.map((cell) => [cell.zone, cell.carried?.down?.bps ?? null, cell.n])).toEqual([
      ['p/r/1', 94e6, 300],
      ['p/r/2', null, 300],
      ['p/r/3', 5e6, 0],
    ]);
    expect(cellValue(cells[0]!, 'down', 'en')).toBe('≥94.0');
    expect(cellValue(cells[2]!, 'down', 'en')).toBe('5.0');
    expect(valueWithUnit(1.2e9, 'up', 'en')).toBe('1,200\u00a0Mbit/s');
  });

  it('of a group is the middle, and a lower bound as soon as one of them is', () => {
    const rows = [row('a', 'z', 10e6), row('b', 'z', 30e6, { reading: 'lower_bound' }), row('c', 'z', 20e6)];
    const [middle] = middles(answer([...rows, row('d', 'z', null, { failed: 1 })]));
    expect(middle).toMatchObject({ agent: '', bps: 20e6, reading: 'lower_bound', tests: 4, failed: 1 });
    expect(middles(answer(rows), new Set(['a']))[0]).toMatchObject({ bps: 10e6, reading: 'estimate' });
    expect(middles(answer([row('d', 'z', null)]))[0]).toMatchObject({ bps: null, reading: 'failed' });
  });
});

describe('more is better', () => {
  const zones = ['p/r/1', 'p/r/2', 'p/r/3'].map((zone) => makeZone(zone, 'Paris'));
  const cells = withCarried(
    zones.map(({ zone }) => makeCell('a', zone)),
    answer([row('a', 'p/r/1', 5e6), row('a', 'p/r/2', 90e6)]),
  );

  it('in the list, in the matrix and on the colour scale', () => {
    expect(rankZones(zones, cells, 'down').map((one) => one.zone.zone)).toEqual(['p/r/2', 'p/r/1', 'p/r/3']);
    const view: MatrixView = {
      metric: 'down',
      group: 'provider',
      rows: 'none',
      country: null,
      network: null,
      metro: null,
      sort: 'p/r/1',
      agentFilter: '',
      zoneFilter: '',
    };
    const more = withCarried([], answer([row('b', 'p/r/1', 70e6)]));
    const matrix = buildMatrix(
      [makeAgent('a', 'Aix'), makeAgent('b', 'Brest'), makeAgent('c', 'Caen')],
      zones,
      [...cells, ...more],
      view,
    );
    expect(matrix.rows.map((one) => one.agent.agent)).toEqual(['b', 'a', 'c']);
    expect(matrix.rows[1]!.best).toBe(1);
    const scale = fitClasses('down', [5e6, 20e6, 90e6])!;
    expect(scale.badness(90e6)).toBe(0);
    expect(scale.badness(5e6)).toBe(1);
    expect(fitClasses('p50', [5_000, 90_000])!.badness(90_000)).toBe(1);
  });
});

describe('tests of one pair', () => {
  const phase = { sent: 20, lost: 0, n: 20, p50_us: 1, p95_us: 2, p99_us: 3 };
  const test = (at: string, more: Partial<ThroughputTest>): ThroughputTest => ({
    at,
    target: 't',
    address: '192.0.2.1:8621',
    direction: 'download',
    reading: 'estimate',
    bps: 40e6,
    stop: 'stable',
    bytes: 1,
    duration_us: 1,
    clock: 'kernel',
    idle: phase,
    loaded: phase,
    drained: phase,
    ...more,
  });
  const tests = [
    test('2026-11-25T00:00:00Z', {}),
    test('2026-11-25T12:00:00Z', { bps: 80e6, reading: 'lower_bound', stop: 'byte_cap' }),
    test('2026-11-25T18:00:00Z', { bps: null, reading: 'failed', stop: 'refused' }),
  ];

  it('stand in time and rate under a round ceiling; what failed stands at the foot', () => {
    const span = { fromMs: Date.parse('2026-11-25T00:00:00Z'), toMs: Date.parse('2026-11-26T00:00:00Z') };
    expect(ceiling(tests)).toBe(100e6);
    expect(ceiling([])).toBe(1.5e6);
    const marks = marksOf(tests, span, 100e6, 200, 100);
    expect(marks.map((mark) => [mark.x, mark.y, mark.kind])).toEqual([
      [0, 60, 'estimate'],
      [100, 20, 'lower_bound'],
      [150, 100, 'failed'],
    ]);
    expect(newestOf(tests, 'download')!.bps).toBe(80e6);
    expect(newestOf(tests, 'upload')).toBeNull();
  });
});
