import { describe, expect, it } from 'vitest';
import type { AgentStanding, StatusAnswer } from '../api/model.ts';
import en from './messages/en.json';
import { bytes, commitPosition, readSort, share, slices, sortAgents, span } from './model.ts';

const agent = (id: string, more: Partial<AgentStanding>): AgentStanding => ({
  agent: id,
  name: id.toUpperCase(),
  version: '0.1.0',
  state: 'live',
  last_report_at: '2026-11-25T16:00:00Z',
  silent_s: 1,
  clock_skew_ms: 0,
  send_lateness_p99_us: null,
  ...more,
});

describe('sizes and spans', () => {
  it('are said with three digits, in the unit people would use', () => {
    const said = [0, 812, 1024, 1_310_720, 43_057_676_452].map((n) => bytes(n, 'en'));
    expect(said).toEqual(['0 B', '812 B', '1.00 KiB', '1.25 MiB', '40.1 GiB']);
    expect(bytes(null, 'en')).toBe('–');
    const spans = [-1, 119, 120, 7_199, 7_200, 172_800].map(span);
    expect(spans.map(({ n, unit }) => `${n} ${unit}`)).toEqual([
      '0 s',
      '119 s',
      '2 min',
      '119 min',
      '2 h',
      '2 d',
    ]);
  });

  it('a share is never more than all and never of nothing', () => {
    expect([share(1, 4), share(9, 4), share(1, 0)]).toEqual([0.25, 1, 0]);
  });

  it('commit times stand on a logarithmic scale that nothing leaves', () => {
    expect([0, 100, 10_000_000, 90_000_000].map(commitPosition)).toEqual([0, 0, 1, 1]);
    expect(commitPosition(1_000)).toBeCloseTo(0.2);
  });
});

describe('the disk', () => {
  const store = {
    disk_bytes: 30,
    hot_bytes: 10,
    free_bytes: 50,
    total_bytes: 100,
    tiers: [{ tier: '10s', bytes: 20 }],
  } as StatusAnswer['store'];

  it('is cut into ours, others, free, which are all of it', () => {
    expect(slices(store).map(({ key, share }) => [key, share])).toEqual([
      ['10s', 0.2],
      ['hot', 0.1],
      ['others', 0.2],
      ['free', 0.5],
    ]);
  });

  it('is only ours when the file system says nothing', () => {
    const mute = { ...store, free_bytes: null, total_bytes: null };
    expect(slices(mute).map(({ bytes: of }) => of)).toEqual([20, 10, 0, 0]);
  });
});

describe('agents', () => {
  const all = [
    agent('b', { clock_skew_ms: -9, silent_s: 3, version: '0.10.0' }),
    agent('a', { clock_skew_ms: 9, silent_s: 400, state: 'offline', version: '0.9.0' }),
    agent('c', { clock_skew_ms: 2, silent_s: 40, state: 'stale', send_lateness_p99_us: 5 }),
  ];
  const sorted = (text: string | null): string => {
    const { column, reverse } = readSort(text);
    return sortAgents(all, column, reverse)
      .map((one) => one.agent)
      .join('');
  };

  it('stay as the collector gave them unless a column is asked for', () => {
    expect([null, 'moon', '-moon', '-'].map(sorted)).toEqual(['bac', 'bac', 'bac', 'bac']);
  });

  it('are sorted with what needs attention first, either way round', () => {
    expect(sorted('agent')).toBe('abc');
    expect(sorted('-agent')).toBe('cba');
    expect(sorted('state')).toBe('acb');
    expect(sorted('silent')).toBe('acb');
    expect(sorted('skew')).toBe('abc');
    expect(sorted('late')).toBe('cab');
    expect(sorted('version')).toBe('cab');
  });
});

describe('the words', () => {
  it('have a remedy for every concern they name', () => {
    const named = Object.keys(en).filter((key) => key.startsWith('concern_'));
    expect(named.length).toBe(18);
    for (const key of named) expect(en).toHaveProperty([key.replace('concern_', 'remedy_')]);
  });
});
