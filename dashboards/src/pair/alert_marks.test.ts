import { expect, it } from 'vitest';
import type { Alert } from '../api/model.ts';
import { alertMarks } from './alert_marks.ts';

const at = (minute: number): string =>
  new Date(Date.UTC(2026, 10, 23, 10, minute)).toISOString().replace('.000', '');
const span = { fromMs: Date.parse(at(0)), toMs: Date.parse(at(60)) };

function alert(id: string, from: number, to: number | null, method = 'stamp'): Alert {
  return {
    id,
    rule: 'regression',
    measure: id,
    state: to === null ? 'firing' : 'resolved',
    regressed_at: at(from),
    fired_at: at(from + 5),
    resolved_at: to === null ? null : at(to),
    episode: 1,
    told: true,
    silenced: false,
    suppressed: false,
    series: { method },
  };
}
const lanes = (alerts: Alert[]): [string, number][] =>
  alertMarks(alerts, 'stamp', span).map((mark) => [mark.id, mark.lane]);

it('shows what touches the span, of this method, and what never fired not', () => {
  const pending = { ...alert('pending', 5, null), fired_at: null };
  const alerts = [
    alert('gone', -90, -1),
    alert('later', 61, null),
    alert('over', -30, 5),
    alert('other', 1, 20, 'tcp_connect'),
    pending,
  ];
  expect(lanes(alerts)).toEqual([['over', 0]]);
});

it('bars that overlap lie one under the other, and a lane is used again', () => {
  expect(lanes([alert('c', 40, 50), alert('a', 5, 30), alert('b', 10, null)])).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 0],
  ]);
});

it('what goes on is open to the end', () => {
  const [mark] = alertMarks([alert('a', 5, null)], 'stamp', span);
  expect(mark).toMatchObject({ open: true, fromMs: Date.parse(at(5)), toMs: Infinity });
});

it('a storm of alerts is cut, not drawn over the page', () => {
  const storm = Array.from({ length: 9 }, (_, i) => alert(`a${i}`, 5, null));
  expect(lanes(storm)).toHaveLength(4);
});
