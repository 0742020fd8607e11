// Whether numbers that stand side by side are of one kind. Pure.

import type { Cell, Zone } from '../api/model.ts';

export type Stamped = { clock: Cell['clock']; granularity?: Cell['granularity'] };

export interface Mix {
  /** Zones that are measured, but not by this method, and the methods by which they are. */
  unmeasured: number;
  others: string[];
  /** Clocks that stamped the delays, the most frequent first, with how many ways each. */
  clocks: [string, number][];
  /** Ways whose target stands for more than one zone. */
  vague: number;
  all: number;
}

export function mixOf(zones: readonly Zone[], cells: readonly Stamped[], method: string): Mix {
  const without = zones.filter((zone) => !(zone.methods as string[]).includes(method));
  const clocks = new Map<string, number>();
  for (const { clock } of cells) if (clock !== null) clocks.set(clock, (clocks.get(clock) ?? 0) + 1);
  return {
    unmeasured: without.length,
    others: [...new Set(without.flatMap((zone) => zone.methods as string[]))].sort(),
    clocks: [...clocks].sort((a, b) => b[1] - a[1]),
    vague: cells.filter((cell) => cell.granularity !== undefined && cell.granularity !== 'zone').length,
    all: cells.length,
  };
}
