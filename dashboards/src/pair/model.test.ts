import { describe, expect, it } from 'vitest';
import type { Coverage, HeatmapAnswer, SeriesAnswer, SeriesPoint } from '../api/model.ts';
import { bands, causesOf, heatCells, lossBars, pointAt, seriesCsv, sharedStepS, silences } from './model.ts';

const T0 = Date.parse('2026-11-23T10:00:00Z');
const iso = (s: number): string => new Date(T0 + s * 1000).toISOString().replace('.000Z', 'Z');
const span = { fromMs: T0, toMs: T0 + 600_000 };
const coverage: Coverage = { tier: '10s', resolution_s: 10, tiers: [], unreadable_reports: 0, missing: [] };
const head = {
  from: iso(0),
  to: iso(600),
  agent: 'a',
  zone: 'p/r/z',
  method: 'stamp',
  load: 'idle',
  flow: null,
  coverage,
} as const;

const point = (s: number, more: Partial<SeriesPoint> = {}): SeriesPoint => ({
  start_at: iso(s),
  n: 10,
  sent: 10,
  returned: 10,
  lost: 0,
  min_us: 9_000,
  p10_us: 9_100,
  p50_us: 10_000,
  p90_us: 12_000,
  p99_us: 20_000,
  max_us: 21_000,
  ipdv_pairs: 0,
  ipdv_mean_us: null,
  pdv_p95_us: null,
  pdv_p99_us: null,
  late: 0,
  duplicate: 0,
  reordered: 0,
  lost_out: 0,
  lost_back: 0,
  lost_unknown: 0,
  one_way: null,
  asymmetry_unknown: 'clocks_not_synchronised',
  errors: {},
  ...more,
});
const series = (points: SeriesPoint[]): SeriesAnswer => ({
  ...head,
  flows: [0],
  step_s: 10,
  points,
  gaps: [],
});

describe('sharedStepS', () => {
  it.each([
    [300, 10],
    [3600, 10],
    [21_600, 60],
    [86_400, 300],
    [604_800, 1800],
  ])('over %i s takes steps of %i s, never more than 360', (seconds, step) => {
    expect(sharedStepS({ fromMs: 0, toMs: seconds * 1000 })).toBe(step);
    expect(seconds / step).toBeLessThanOrEqual(360);
  });
});

describe('heatCells', () => {
  const answer: HeatmapAnswer = {
    ...head,
    clock: 'kernel',
    step_s: 60,
    gaps: [],
    rows: [
      { low_us: 1_000, high_us: 9_999 },
      { low_us: 10_000, high_us: 100_000 },
    ],
    columns: [
      {
        start_at: iso(0),
        n: 26,
        sent: 26,
        lost: 0,
        counts: [
          [0, 25],
          [1, 1],
        ],
      },
    ],
  };
  const cells = heatCells(answer, span, { low: 1_000, high: 100_000 }, 600, 200);

  it('puts short delays at the bottom and time from left to right', () => {
    expect(cells[0]).toMatchObject({ x: 0, y: 100, width: 60, height: 100 });
    expect(cells[1]!.y).toBeLessThan(cells[0]!.y);
  });

  it('keeps a single sample visible beside a full cell', () => {
    expect(cells[0]!.density).toBe(1);
    expect(cells[1]!.density).toBeCloseTo(0.2);
  });

  it('cuts a column that begins before the window', () => {
    const early = { ...answer, columns: [{ ...answer.columns[0]!, start_at: iso(-30) }] };
    expect(heatCells(early, span, { low: 1_000, high: 100_000 }, 600, 200)[0]).toMatchObject({
      x: 0,
      width: 30,
    });
  });
});

describe('silences', () => {
  const every = (from: number, to: number): number[] =>
    Array.from({ length: (to - from) / 10 }, (_, i) => T0 + (from + i * 10) * 1000);
  const later = T0 + 3_600_000;

  it('finds a hole and its cause', () => {
    const starts = [...every(0, 200), ...every(320, 600)];
    const gaps = [{ start_at: iso(200), end_at: iso(320), cause: 'queue_full', reports: 12 }];
    expect(silences(starts, 10, gaps, span, later)).toEqual([
      { fromMs: T0 + 200_000, toMs: T0 + 320_000, cause: 'queue_full', reports: 12 },
    ]);
  });

  it('knows no cause where none was given', () => {
    expect(silences(every(100, 600), 10, [], span, later)).toMatchObject([{ fromMs: T0, cause: null }]);
  });

  it('does not call the last seconds a silence: they are still on their way', () => {
    expect(silences(every(0, 580), 10, [], span, span.toMs)).toEqual([]);
    expect(silences(every(0, 400), 10, [], span, span.toMs)).toHaveLength(1);
  });

  it('is silent throughout when nothing was ever reported', () => {
    expect(silences([], 10, [], span, later)).toMatchObject([{ fromMs: T0, toMs: span.toMs }]);
  });
});

it('the store’s own holes are causes too', () => {
  const missing = [{ from: iso(0), to: iso(60), cause: 'retention' }];
  const causes = causesOf({ ...series([]), coverage: { ...coverage, missing } });
  expect(silences([T0 + 60_000], 540, causes, span, T0 + 3_600_000)).toEqual([]);
  expect(causes).toMatchObject([{ cause: 'retention', reports: null }]);
});

it('bands break at a hole instead of bridging it', () => {
  const out = bands(series([point(0), point(10), point(50)]));
  expect(out.p50).toEqual([10, 10, null, 10]);
  expect(out.at).toEqual([...out.at].sort((a, b) => a - b));
});

it('loss bars show lost probes only, by square root', () => {
  const out = lossBars(series([point(0), point(300, { lost: 1, returned: 9, n: 9 })]), span, 600);
  expect(out).toHaveLength(1);
  expect(out[0]).toMatchObject({ x: 300, width: 10, lost: 1 });
  expect(out[0]!.height).toBeCloseTo(Math.sqrt(0.1));
});

it('pointAt finds the step under the pointer', () => {
  const two = series([point(0), point(20)]);
  expect(pointAt(two, T0 + 9_999)!.start_at).toBe(iso(0));
  expect(pointAt(two, T0 + 10_000)).toBeNull();
});

it('CSV keeps absent numbers empty', () => {
  const lines = seriesCsv(series([point(0, { n: 0, p50_us: null, late: 1, lost_back: 2 })])).split('\r\n');
  expect(lines[0]).toBe(
    'start_at_utc,step_s,agent,zone,method,load,n,sent,returned,lost,late,duplicate,reordered,lost_out,lost_back,min_us,p10_us,p50_us,p90_us,p99_us,max_us',
  );
  expect(lines[1]).toBe(
    '2026-11-23T10:00:00Z,10,a,p/r/z,stamp,idle,0,10,10,0,1,0,0,0,2,9000,9100,,12000,20000,21000',
  );
});
