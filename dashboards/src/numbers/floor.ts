// The fibre floor: the round trip that light in glass would need along the great circle, and what is left above it.
// n = 1.468 is the group index of G.652 fibre near 1550 nm: 0.979 ms per 100 km, there and back. Real fibre is never a great
// circle, so a value above the floor is no fault; a value below it means the place or the path is not what was claimed.

const EARTH_RADIUS_KM = 6371.009;
const LIGHT_KM_PER_MS = 299.792458;
const FIBRE_INDEX = 1.468;
/** Below 1 ms (about 100 km) access delay dominates and a ratio to light says nothing. */
const RATIO_NEEDS_FLOOR_US = 1_000;

export interface Place {
  latitude: number;
  longitude: number;
}

export function greatCircleKm(a: Place, b: Place): number {
  const radians = Math.PI / 180;
  const dLat = (b.latitude - a.latitude) * radians;
  const dLon = (b.longitude - a.longitude) * radians;
  const s =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(s)));
}

/** Round trip in microseconds over `km` of straight fibre. */
export function fibreFloorUs(km: number): number {
  return ((2 * km * FIBRE_INDEX) / LIGHT_KM_PER_MS) * 1000;
}

export interface FloorReading {
  km: number;
  floorUs: number;
  /** Lowest delay minus the floor; negative means faster than light could be. */
  excessUs: number;
  /** Lowest delay over the floor as a range, because the zone's place has a radius of uncertainty; null when too near. */
  ratio: { low: number; high: number } | null;
  /** Faster than light even with the zone as near as its uncertainty allows. */
  impossible: boolean;
}

export function readFloor(from: Place, to: Place, accuracyKm: number, minUs: number): FloorReading {
  const km = greatCircleKm(from, to);
  const floorUs = fibreFloorUs(km);
  const nearestUs = fibreFloorUs(Math.max(0, km - accuracyKm));
  const farthestUs = fibreFloorUs(km + accuracyKm);
  const ratio =
    nearestUs >= RATIO_NEEDS_FLOOR_US ? { low: minUs / farthestUs, high: minUs / nearestUs } : null;
  return { km, floorUs, excessUs: minUs - floorUs, ratio, impossible: minUs < nearestUs };
}
