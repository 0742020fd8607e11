import { describe, expect, it } from 'vitest';
import { changeQuery, formatQuery, linkTo, readState, screenOf } from './state.ts';

describe('readState', () => {
  it('falls back to each screen’s own window', () => {
    expect(readState('map', new URLSearchParams()).range).toEqual({ from: 'now-5m', to: 'now' });
    expect(readState('pair', new URLSearchParams()).range).toEqual({ from: 'now-1h', to: 'now' });
  });

  it('ignores values it does not know instead of failing', () => {
    const state = readState('map', new URLSearchParams('metric=p42&group=colour&clock=mars&refresh=-3'));
    expect(state).toMatchObject({ metric: 'p50', group: 'provider', clock: 'local', refreshS: 10 });
  });

  it('keeps an escaped slash inside a zone id', () => {
    const query = new URLSearchParams({ zone: 'ionos/fr%2Fpar/fr%2Fpar' });
    const text = formatQuery(query);
    expect(text).toBe('?zone=ionos/fr%252Fpar/fr%252Fpar');
    expect(readState('pair', new URLSearchParams(text)).zone).toBe('ionos/fr%2Fpar/fr%2Fpar');
  });
});

describe('changeQuery', () => {
  it('keeps unknown parameters and their order', () => {
    const query = new URLSearchParams('utm=x&metric=p50&v=9');
    expect(formatQuery(changeQuery(query, { metric: 'p99', zone: null }))).toBe('?utm=x&metric=p99&v=9');
  });

  it('does not touch the query it was given', () => {
    const query = new URLSearchParams('metric=p50');
    changeQuery(query, { metric: null });
    expect(query.get('metric')).toBe('p50');
  });
});

describe('linkTo', () => {
  it('carries a fixed range to another screen and drops a live one', () => {
    const fixed = new URLSearchParams('from=2026-11-23T09:00:00Z&to=2026-11-23T10:00:00Z&utm=x');
    expect(linkTo('/pair', fixed, { agent: 'a', zone: 'p/r/z' })).toBe(
      '/pair?from=2026-11-23T09:00:00Z&to=2026-11-23T10:00:00Z&utm=x&agent=a&zone=p/r/z',
    );
    expect(linkTo('/pair', new URLSearchParams('from=now-5m'), { agent: 'a' })).toBe('/pair?agent=a');
  });
});

it('screenOf knows three screens and says so for the rest', () => {
  expect(['/', '/matrix', '/matrix/', '/pair', '/elsewhere'].map(screenOf)).toEqual([
    'map',
    'matrix',
    'matrix',
    'pair',
    'unknown',
  ]);
});

it('what belongs to one screen stays there, what belongs to no screen goes along', () => {
  const query = new URLSearchParams(
    'vantage=all&list=metro&vs=1d&rows=country&country=FR&owner=US&of=a&by=n&find=x&q=y&clock=utc&mine=1',
  );
  expect(linkTo('/pair', query)).toBe('/pair?clock=utc&mine=1');
  expect(linkTo('/', query)).toBe('/?vantage=all&list=metro&clock=utc&mine=1');
  expect(linkTo('/matrix', query)).toBe('/matrix?vs=1d&rows=country&country=FR&clock=utc&mine=1');
  expect(linkTo('/compare', query)).toBe('/compare?owner=US&of=a&clock=utc&mine=1');
});
