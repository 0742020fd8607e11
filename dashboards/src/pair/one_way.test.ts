import { describe, expect, it } from 'vitest';
import { oneWay } from './one_way.ts';

describe('oneWay', () => {
  const facts = { method: 'stamp', returned: 10, one_way: null, asymmetry_unknown: null } as const;
  const clocks = { n: 10, out_mean_us: 4000, back_mean_us: 6000, error_us: 900 };

  it('tells each way with its error', () => {
    expect(oneWay({ ...facts, one_way: clocks })).toEqual({
      kind: 'told',
      outUs: 4000,
      backUs: 6000,
      errorUs: 900,
    });
  });

  it('says why it tells nothing', () => {
    expect(oneWay(facts)).toEqual({ kind: 'unkept' });
    const coarse = { ...clocks, out_mean_us: null, back_mean_us: null };
    expect(oneWay({ ...facts, one_way: coarse })).toEqual({ kind: 'coarse', errorUs: 900 });
  });

  it('is silent where no far clock is asked and where nothing came back', () => {
    expect(oneWay({ ...facts, method: 'icmp_echo', one_way: clocks })).toBeNull();
    expect(oneWay({ ...facts, returned: 0 })).toBeNull();
  });
});
