// How sure a number of one window is, from the same number of its sections: the window is cut into about ten stretches of time, and
// the spread of the stretches around the number of the whole says how far that would move if one measured again. "Sectioning"
// (Asmussen and Glynn, Stochastic Simulation, 2007, III.5b): it does not take probes that follow each other for independent ones,
// as long as a section outlasts their memory. The number itself stays that of all delays together; no percentile is averaged.
// Not a statement about other hours than these, nor about vantage points that were not asked.

/** Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
];
/** Fewer sections than this say too little of their own spread. */
export const LEAST_SECTIONS = 6;

export function t95(freedom: number): number {
  return T95[Math.min(T95.length, Math.max(1, freedom)) - 1]!;
}

/** Half the width of the 95 % interval around `whole`; null with too few sections. */
export function halfWidth(whole: number, sections: readonly number[]): number | null {
  const b = sections.length;
  if (b < LEAST_SECTIONS) return null;
  const squares = sections.reduce((sum, value) => sum + (value - whole) ** 2, 0);
  return t95(b - 1) * Math.sqrt(squares / (b - 1) / b);
}

/** What each section, by its start, came to. */
export type Sections = ReadonlyMap<string, number>;

/**
 * Whether two numbers of the same window cannot be told apart, by the difference in each section that both have: what hits both at
 * once, such as a busy access line, falls out. Null when too few sections are shared.
 */
export function level(
  one: { whole: number; sections: Sections },
  other: { whole: number; sections: Sections },
): boolean | null {
  const differences: number[] = [];
  for (const [start, value] of one.sections) {
    const against = other.sections.get(start);
    if (against !== undefined) differences.push(value - against);
  }
  const difference = one.whole - other.whole;
  const half = halfWidth(difference, differences);
  return half === null ? null : Math.abs(difference) <= half;
}

const WANTED_SECTIONS = 10;
/** The units of the store's tiers: a section of whole ones is read from the coarser tier, where it is cheap. */
const UNITS_MS = [3_600_000, 60_000, 10_000];

/** The length of a section, in seconds, about a tenth of the window; null for a window too short. */
export function sectionS(fromMs: number, toMs: number): number | null {
  const tenth = (toMs - fromMs) / WANTED_SECTIONS;
  const unit = UNITS_MS.find((one) => tenth >= one) ?? UNITS_MS.at(-1)!;
  const length = Math.max(unit, Math.round(tenth / unit) * unit);
  return (toMs - fromMs) / length < LEAST_SECTIONS ? null : length / 1000;
}
