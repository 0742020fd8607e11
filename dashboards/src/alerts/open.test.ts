import { expect, it } from 'vitest';
import { openCount } from './open.ts';

const alerts = (...suppressed: boolean[]) => suppressed.map((one) => ({ suppressed: one }));

it('counts an incident once, its alerts not at all, and the others one by one', () => {
  expect(openCount({ total: 4, alerts: alerts(true, true, false, true) }, { total: 1 })).toBe(2);
  expect(openCount({ total: 2, alerts: alerts(false, false) }, { total: 0 })).toBe(2);
});

it('counts an incident that has no alert, and what is not listed', () => {
  expect(openCount({ total: 0, alerts: [] }, { total: 1 })).toBe(1);
  expect(openCount({ total: 7, alerts: alerts(true) }, { total: 1 })).toBe(7);
});

it('knows of nothing before there is an answer', () => {
  expect(openCount(null, null)).toBe(0);
  expect(openCount({ total: 3, alerts: [] }, null)).toBe(3);
});
