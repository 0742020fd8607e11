// Builds europe.topo.json: the land and borders behind the map, cut from Natural Earth 1:10m.
// Source and licence: basemap/README.md. Run with `npm run basemap`; the small output is committed, because it is data
// and because the screens must build without it ever being fetched from anywhere.
// Not a general cartographic tool: the clip is a plain longitude/latitude box (Sutherland-Hodgman).
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { feature } from 'topojson-client';
import { topology } from 'topojson-server';
import { presimplify, simplify, filter, filterWeight } from 'topojson-simplify';

const WEST = -13;
const EAST = 24;
const SOUTH = 33;
const NORTH = 62;
/** Visvalingam weight in square degrees: keeps the Brittany coast, the islands and the micro-states. */
const SIMPLIFY_WEIGHT = 5e-4;
/** Rings lighter than this are dropped: Monaco and Gibraltar stay, rocks go. */
const SMALLEST_ISLAND = 5e-5;
const QUANTISATION_STEPS = 1e4;

const require = createRequire(import.meta.url);
const world = JSON.parse(readFileSync(require.resolve('world-atlas/countries-10m.json'), 'utf8'));
const countries = feature(world, world.objects.countries).features;

/** The four half planes of the box: is a point inside, and where does an edge cross it. */
const SIDES = [
  { inside: (p) => p[0] >= WEST, cross: (a, b) => at(a, b, 0, WEST) },
  { inside: (p) => p[0] <= EAST, cross: (a, b) => at(a, b, 0, EAST) },
  { inside: (p) => p[1] >= SOUTH, cross: (a, b) => at(a, b, 1, SOUTH) },
  { inside: (p) => p[1] <= NORTH, cross: (a, b) => at(a, b, 1, NORTH) },
];

function at(a, b, axis, value) {
  const share = (value - a[axis]) / (b[axis] - a[axis]);
  const other = a[1 - axis] + share * (b[1 - axis] - a[1 - axis]);
  return axis === 0 ? [value, other] : [other, value];
}

function clipRing(ring) {
  let points = ring.slice(0, -1);
  for (const side of SIDES) {
    const kept = [];
    points.forEach((point, index) => {
      const before = points[(index + points.length - 1) % points.length];
      if (side.inside(point)) {
        if (!side.inside(before)) kept.push(side.cross(before, point));
        kept.push(point);
      } else if (side.inside(before)) {
        kept.push(side.cross(before, point));
      }
    });
    points = kept;
    if (points.length === 0) return null;
  }
  return points.length < 3 ? null : [...points, points[0]];
}

function clipGeometry(geometry) {
  const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
  const kept = polygons
    .map((rings) => rings.map(clipRing).filter((ring) => ring !== null))
    .filter((rings) => rings.length > 0);
  return kept.length === 0 ? null : { type: 'MultiPolygon', coordinates: kept };
}

const features = countries
  .map((country) => ({
    type: 'Feature',
    id: country.id,
    properties: {},
    geometry: clipGeometry(country.geometry),
  }))
  .filter((country) => country.geometry !== null);

let topo = topology({ countries: { type: 'FeatureCollection', features } });
topo = presimplify(topo);
topo = simplify(topo, SIMPLIFY_WEIGHT);
topo = filter(topo, filterWeight(topo, SMALLEST_ISLAND));
topo = topology({ countries: feature(topo, topo.objects.countries) }, QUANTISATION_STEPS);

const text = JSON.stringify(topo);
const out = new URL('./europe.topo.json', import.meta.url);
writeFileSync(out, text);
console.log(
  `europe.topo.json: ${features.length} countries, ${(text.length / 1024).toFixed(1)} KiB raw, ` +
    `${(gzipSync(text, { level: 9 }).length / 1024).toFixed(1)} KiB gzip`,
);
