import { describe, expect, it } from 'vitest';
import { csvOf, curlOf, fileName, fixed, nameOf, exportOf, exportsOf, quoted, toKeep } from './model.ts';

const NOW = Date.parse('2026-11-25T16:00:00Z');

describe('a view to take away', () => {
  it('has absolute times, and everything else as it was', () => {
    expect(fixed('/api/v1/map?agent=a&from=now-5m&to=now&method=stamp', NOW)).toBe(
      '/api/v1/map?agent=a&from=2026-11-25T15:55:00Z&to=2026-11-25T16:00:00Z&method=stamp',
    );
    expect(fixed('/api/v1/map?from=moon&zone=a%252Fb/c/d', NOW)).toBe(
      '/api/v1/map?from=moon&zone=a%252Fb/c/d',
    );
    expect(fixed('/api/v1/agents', NOW)).toBe('/api/v1/agents');
  });

  it('is a command that no name can break out of', () => {
    expect(quoted(`a'; rm -rf $HOME "\``)).toBe(`'a'\\''; rm -rf $HOME "\`'`);
    expect(curlOf('http://h:1', ['/api/v1/agents', '/api/v1/zones'], NOW)).toBe(
      "curl 'http://h:1/api/v1/agents'\ncurl 'http://h:1/api/v1/zones'",
    );
  });

  it('is CSV where the collector has it', () => {
    expect(csvOf('/api/v1/map?from=now-5m', NOW)).toBe('/api/v1/map?from=2026-11-25T15:55:00Z&format=csv');
    expect([csvOf('/api/v1/series?agent=a', NOW), csvOf('/api/v1/agents', NOW)]).toEqual([null, null]);
    expect(nameOf('/api/v1/compare?x')).toBe('compare');
  });

  it('is exported series by series, in the same stretch and by the same labels', () => {
    const asked =
      '/api/v1/heatmap?agent=a&zone=x/y/z&method=stamp&load=idle&from=now-1h&to=now&step=10s&rows=120';
    expect(exportOf(asked, 'hlog', NOW)).toBe(
      '/api/v1/export?format=hlog&from=2026-11-25T15:00:00Z&to=2026-11-25T16:00:00Z&step=10s&agent=a&zone=x/y/z&method=stamp&load=idle',
    );
    expect(exportOf('/api/v1/map?from=now-5m&zone=a/b/c&zone=d/e/f', 'csv', NOW)).toContain(
      'zone=a/b/c&zone=d/e/f',
    );
    expect(exportOf('/api/v1/alerts?agent=a', 'csv', NOW)).toBeNull();
    expect(exportsOf(['/api/v1/agents', '/api/v1/distribution?agent=a', asked], NOW)?.csv).toContain(
      'step=10s',
    );
    expect(exportsOf(['/api/v1/agents'], NOW)).toBeNull();
  });

  it('is kept by its questions, once each, at absolute times, without what cannot be kept', () => {
    const asked = ['/api/v1/agents', '/api/v1/map?from=now-5m', '/api/v1/map?from=now-5m', '/api/v1/status'];
    expect(toKeep(asked, NOW)).toEqual(['/api/v1/agents', '/api/v1/map?from=2026-11-25T15:55:00Z']);
  });

  it('has a name that every file system takes', () => {
    expect(fileName(['Brest (Orange): zoné', '../x'], 'svg')).toBe('azimuth_Brest_Orange_zone_.._x.svg');
  });
});
