import { describe, expect, it } from 'vitest';
import { CHECKS, droppedOf, readable } from './checks.ts';
import { meansOn, readState, type Screen } from './state.ts';

/** Of every parameter that is checked: one that is good, and some that hands, mail programs and other tools have mangled. */
const TABLE: Record<string, { on: Screen; good: string[]; bad: string[] }> = {
  from: {
    on: 'map',
    good: ['now-1h', '2026-11-25T10:00:00Z'],
    bad: ['yesterday', 'now-', '2026-11-25', '2026-13-41T10:00:00Z', '…'],
  },
  to: { on: 'map', good: ['now', '2026-11-25T10:00:00.123Z'], bad: ['later', '2026-11-25T10:00:00+01:00'] },
  metric: { on: 'map', good: ['p99', 'down'], bad: ['p42', 'P50', 'p50)'] },
  method: { on: 'map', good: ['tcp_connect'], bad: ['ping', 'stamp.'] },
  load: { on: 'map', good: ['self_load'], bad: ['busy'] },
  flow: { on: 'pair', good: ['0', '7'], bad: ['-1', '1.5', '70000', 'x'] },
  list: { on: 'map', good: ['metro'], bad: ['cities'] },
  map: { on: 'map', good: ['4.83,45.76,3.2'], bad: ['4.83,45.76', 'a,b,c', '4,45,999'] },
  group: { on: 'matrix', good: ['country'], bad: ['colour'] },
  rows: { on: 'matrix', good: ['network'], bad: ['none!'] },
  vs: { on: 'matrix', good: ['1d'], bad: ['2d', '1D'] },
  country: { on: 'matrix', good: ['FR'], bad: ['France', 'fr'] },
  sort: { on: 'matrix', good: ['typical', 'aws/eu-west-3/euw3-az1'], bad: ['aws/eu-west-3', 'p50'] },
  in: { on: 'compare', good: ['FR'], bad: ['FRA'] },
  owner: { on: 'compare', good: ['US'], bad: ['usa'] },
  by: { on: 'status', good: ['-skew', 'p99'], bad: ['--skew', 'colour'] },
  show: { on: 'alerts', good: ['over'], bad: ['past'] },
  severity: { on: 'alerts', good: ['critical'], bad: ['bad'] },
  clock: { on: 'map', good: ['utc'], bad: ['mars'] },
  refresh: { on: 'map', good: ['0', '30', '0.3'], bad: ['-3', '1e9', 'never'] },
  theme: { on: 'map', good: ['dark'], bad: ['pink'] },
  contrast: { on: 'map', good: ['more'], bad: ['most'] },
  lang: { on: 'map', good: ['fr'], bad: ['de'] },
};
const none = (): boolean => true;

describe('a mangled address', () => {
  it('has a row here for every parameter that is checked', () => {
    expect(Object.keys(TABLE).sort()).toEqual(Object.keys(CHECKS).sort());
  });

  for (const [name, { on, good, bad }] of Object.entries(TABLE)) {
    it(`keeps and drops ${name}`, () => {
      for (const value of good) {
        const query = new URLSearchParams({ [name]: value, metro: 'Paris' });
        expect(readable(query, name), value).toBe(value);
        expect(droppedOf(query, none, {}, []), value).toEqual([]);
      }
      for (const value of bad) {
        const query = new URLSearchParams({ agent: 'a', [name]: value, metro: 'Paris', utm: 'x' });
        expect(readable(query, name), value).toBeNull();
        expect(droppedOf(query, none, {}, []), value).toEqual([{ name, value }]);
        // The rest is kept, and the view is the one without it.
        expect(readState(on, query), value).toEqual(
          readState(on, new URLSearchParams('agent=a&metro=Paris')),
        );
        expect(meansOn(on, name)).toBe(true);
      }
    });
  }

  it('says what is nobody’s, what was said twice, and of a rectangle the half that was lost; never what is not ours', () => {
    const query = new URLSearchParams('agent=moon&metro=Paris&metric=p50&metric=p99&box=x&utm=a&utm=b');
    const known = { agent: new Set(['brest']), metro: new Set(['Paris']) };
    expect(droppedOf(query, none, known, ['abc~1000'])).toEqual([
      { name: 'agent', value: 'moon' },
      { name: 'metric', value: 'p99' },
      { name: 'box', value: 'abc~1000' },
    ]);
    expect(droppedOf(query, (name) => name === 'metric', known, ['abc'])).toEqual([
      { name: 'metric', value: 'p99' },
    ]);
    const long = droppedOf(new URLSearchParams({ metric: 'x'.repeat(500) }), none, {}, []);
    expect(long[0]!.value.length).toBe(41);
    expect(droppedOf(new URLSearchParams('constructor=1&__proto__=2&toString=3'), none, known, [])).toEqual(
      [],
    );
  });

  it('whose start is lost keeps its end, with the stretch that the screen shows by itself', () => {
    const query = new URLSearchParams('from=2026-11-2&to=2026-11-25T10:00:00Z');
    expect(readState('pair', query).range).toEqual({
      from: '2026-11-25T09:00:00Z',
      to: '2026-11-25T10:00:00Z',
    });
    expect(readState('pair', new URLSearchParams('from=2026-11-25T09:00:00Z&to=x')).range.to).toBe('now');
  });
});
