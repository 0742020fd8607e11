import { describe, expect, it } from 'vitest';
import type { Alert, Silence } from '../api/model.ts';
import {
  behindMs,
  chosen,
  digitsOf,
  culpritLink,
  membersOf,
  moveOf,
  readFilter,
  silenceOf,
  sortAlerts,
  sortSilences,
  spanOf,
} from './model.ts';

function alert(id: string, more: Partial<Alert> & Record<string, unknown> = {}): Alert {
  return {
    id,
    rule: 'regression',
    measure: 'p50',
    severity: 'warning',
    state: 'firing',
    regressed_at: '2026-11-23T10:00:00Z',
    episode: 1,
    told: true,
    silenced: false,
    suppressed: false,
    series: { agent: 'brest-1', zone: 'aws/eu-west-3/euw3-az1', method: 'stamp', city: 'Brest' },
    ...more,
  };
}
const ids = (alerts: readonly Alert[]): string[] => alerts.map((one) => one.id);
const nothing = (): string[] => [];

describe('the order', () => {
  it('is by state, severity, then the latest first, and a rule that is gone comes after info', () => {
    const alerts = [
      alert('over', { state: 'resolved', severity: 'critical' }),
      alert('old', { regressed_at: '2026-11-23T08:00:00Z' }),
      alert('gone', { severity: null }),
      alert('new'),
      alert('pending', { state: 'pending', severity: 'critical' }),
      alert('worst', { severity: 'critical', regressed_at: '2026-11-20T08:00:00Z' }),
      alert('info', { severity: 'info' }),
      alert('leaving', { state: 'recovering', severity: 'critical' }),
    ];
    expect(ids(sortAlerts(alerts))).toEqual([
      'worst',
      'new',
      'old',
      'info',
      'gone',
      'leaving',
      'pending',
      'over',
    ]);
  });

  it('does not depend on the order in which they came', () => {
    const alerts = [alert('b'), alert('a'), alert('c')];
    expect(ids(sortAlerts(alerts))).toEqual(['a', 'b', 'c']);
    expect(ids(sortAlerts(alerts.toReversed()))).toEqual(['a', 'b', 'c']);
  });
});

describe('the filter', () => {
  const alerts = [
    alert('a'),
    alert('b', { rule: 'slow', severity: 'critical', series: { agent: 'paris-2', city: 'Paris' } }),
    alert('c', { state: 'resolved' }),
  ];
  const by = (query: string): string[] =>
    ids(chosen(alerts, readFilter(new URLSearchParams(query)), nothing));

  it('shows what goes on unless told otherwise', () => {
    expect(by('')).toEqual(['b', 'a']);
    expect(by('show=moon')).toEqual(['b', 'a']);
    expect(by('show=over')).toEqual(['c']);
    expect(by('show=all')).toEqual(['b', 'a', 'c']);
  });

  it('narrows by severity, rule and words', () => {
    expect(by('severity=critical')).toEqual(['b']);
    expect(by('rule=regression')).toEqual(['a']);
    expect(by('q=BREST+euw3')).toEqual(['a']);
    expect(by('q=brest+paris')).toEqual([]);
    const named = chosen(alerts, readFilter(new URLSearchParams('q=orange')), () => ['Brest (Orange)']);
    expect(named).toHaveLength(2);
  });
});

it('a move is a share of what was before, and of shares the points between them', () => {
  expect(moveOf(10, 14, 'ms')).toEqual({ kind: 'ratio', by: expect.closeTo(0.4) });
  expect(moveOf(0, 3, 'percent')).toEqual({ kind: 'points', by: 3 });
  expect(moveOf(0, 3, 'ms')).toBeNull();
  expect(moveOf(null, 3, 'ms')).toBeNull();
});

it('keeps three significant digits', () => {
  expect([0, 0.5, 2, 14, 140].map(digitsOf)).toEqual([0, 3, 2, 1, 0]);
});

it('an incident gathers the other alerts it speaks for', () => {
  const [one, two, three] = [alert('a', { incident: '7' }), alert('b', { incident: '7' }), alert('c')];
  expect(ids(membersOf([one, two, three], one))).toEqual(['b']);
  expect(membersOf([one, two, three], three)).toEqual([]);
});

it('a culprit with a page of its own leads there', () => {
  expect(culpritLink({ label: 'zone', value: 'a/b/c' })?.path).toBe('/zone');
  expect(culpritLink({ label: 'agent', value: 'brest-1' })?.change).toEqual({ agent: 'brest-1' });
  expect(culpritLink({ label: 'network', value: 'AS3215' })).toBeNull();
});

describe('a silence', () => {
  const said = { until: '2026-11-23T12:00:00Z', by: 'anna', comment: '' };
  it('covers what its scope says, and the rule only where that is meant', () => {
    expect(silenceOf(alert('a'), 'series', said)).toEqual({
      select: { agent: ['brest-1'], zone: ['aws/eu-west-3/euw3-az1'], method: ['stamp'] },
      rule: 'regression',
      ...said,
    });
    expect(silenceOf(alert('a'), 'zone', said)).toEqual({
      select: { zone: ['aws/eu-west-3/euw3-az1'] },
      ...said,
    });
    expect(silenceOf(alert('a'), 'rule', said)).toEqual({ select: {}, rule: 'regression', ...said });
  });

  it('is never wider than asked because a label is missing', () => {
    expect(silenceOf(alert('a', { series: {} }), 'zone', said)).toBeNull();
    expect(silenceOf(alert('a', { series: { agent: 'x' } }), 'series', said)).toBeNull();
  });

  it('that is in force stands first', () => {
    const one = (id: number, state: string, until: string): Silence => ({
      id,
      state,
      until,
      from: '2026-11-23T00:00:00Z',
      select: {},
      by: 'anna',
      comment: '',
    });
    const sorted = sortSilences([
      one(1, 'expired', '2026-11-23T01:00:00Z'),
      one(2, 'active', '2026-11-24T01:00:00Z'),
      one(3, 'pending', '2026-11-25T01:00:00Z'),
      one(4, 'active', '2026-11-23T12:00:00Z'),
    ]);
    expect(sorted.map(({ id }) => id)).toEqual([4, 2, 3, 1]);
  });
});

it('the evaluation is late after five minutes, not at its usual distance', () => {
  expect(behindMs('2026-11-23T10:05:00Z', '2026-11-23T10:02:50Z')).toBeNull();
  expect(behindMs('2026-11-23T10:30:00Z', '2026-11-23T10:02:00Z')).toBe(28 * 60_000);
  expect(behindMs('2026-11-23T10:30:00Z', null)).toBeNull();
});

it('spans are said as people say them', () => {
  expect([90_000, 600_000, 7_200_000, 200_000_000].map(spanOf)).toEqual([
    { n: 90, unit: 's' },
    { n: 10, unit: 'min' },
    { n: 2, unit: 'h' },
    { n: 2, unit: 'd' },
  ]);
});
