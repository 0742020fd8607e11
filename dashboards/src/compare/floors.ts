// How far above light in straight fibre each way is: the shortest delay minus the floor, from every vantage point that counts. Pure.
// The shortest delay says what the path costs; medians and tails say what users feel, and stand elsewhere.

import type { Zone } from '../api/model.ts';
import { readFloor, type FloorReading } from '../numbers/floor.ts';
import type { Row } from './model.ts';

export interface ZoneFloors {
  zone: Zone;
  /** In the order of the rows; null where the place or the delay is not known. */
  readings: (FloorReading | null)[];
  /** The middle one of the vantage points' excesses, microseconds; no delays are merged for it. */
  middleUs: number | null;
  /** Vantage points from which it is faster than light could be. */
  impossible: number;
}

export function floorsOf(rows: readonly Row[], zones: readonly Zone[]): ZoneFloors[] {
  return zones.map((zone, i) => {
    const { latitude, longitude } = zone;
    const readings = rows.map((row) => {
      const minUs = row.cells[i]?.min_us ?? null;
      if (latitude === null || longitude === null || minUs === null) return null;
      return readFloor(
        row.agent.vantage_point,
        { latitude, longitude },
        zone.coordinate_accuracy_km ?? 0,
        minUs,
      );
    });
    const known = readings.filter((one) => one !== null);
    const sorted = known.map((one) => one.excessUs).sort((a, b) => a - b);
    return {
      zone,
      readings,
      middleUs: sorted[Math.ceil(sorted.length / 2) - 1] ?? null,
      impossible: known.filter((one) => one.impossible).length,
    };
  });
}
