// What is said of the two ways of a pair: their mean delays with what these are worth, or why they are not known.

import type { DistributionAnswer } from '../api/model.ts';

type Facts = Pick<DistributionAnswer, 'method' | 'returned' | 'one_way' | 'asymmetry_unknown'>;

export type OneWay =
  | { kind: 'told'; outUs: number; backUs: number; errorUs: number }
  | { kind: 'coarse'; errorUs: number }
  | { kind: 'unkept' };

/** Null where there is nothing to say: no answers, or a method whose far end has no clock of ours. */
export function oneWay(facts: Facts): OneWay | null {
  if (facts.method !== 'stamp' || facts.returned === 0) return null;
  const one = facts.one_way ?? null;
  if (one === null) return { kind: 'unkept' };
  const [outUs, backUs, errorUs] = [one.out_mean_us, one.back_mean_us, one.error_us];
  if (outUs === null || backUs === null) return { kind: 'coarse', errorUs };
  return { kind: 'told', outUs, backUs, errorUs };
}
