import { describe, expect, it } from 'vitest';
import { fibreFloorUs, greatCircleKm, readFloor } from './floor.ts';

const PARIS = { latitude: 48.8566, longitude: 2.3522 };
const BREST = { latitude: 48.39, longitude: -4.49 };
const MADRID = { latitude: 40.4168, longitude: -3.7038 };

describe('the fibre floor', () => {
  it('is 0.979 ms per 100 km', () => {
    expect(fibreFloorUs(100)).toBeCloseTo(979.3, 0);
  });

  it('puts Brest 507 km and Madrid 1,053 km from Paris', () => {
    expect(greatCircleKm(BREST, PARIS)).toBeGreaterThan(500);
    expect(greatCircleKm(BREST, PARIS)).toBeLessThan(515);
    expect(greatCircleKm(MADRID, PARIS)).toBeCloseTo(1053, -1);
  });

  it('gives a ratio as a range that holds the plain one', () => {
    const reading = readFloor(BREST, PARIS, 15, 10_000);
    const plain = 10_000 / reading.floorUs;
    expect(reading.ratio!.low).toBeLessThan(plain);
    expect(reading.ratio!.high).toBeGreaterThan(plain);
    expect(reading.impossible).toBe(false);
  });

  it('gives no ratio inside one city', () => {
    const reading = readFloor(PARIS, { latitude: 48.9, longitude: 2.4 }, 15, 1_500);
    expect(reading.ratio).toBeNull();
    expect(reading.excessUs).toBeGreaterThan(0);
  });

  it('flags a delay faster than light', () => {
    expect(readFloor(MADRID, PARIS, 15, 3_000).impossible).toBe(true);
  });
});
