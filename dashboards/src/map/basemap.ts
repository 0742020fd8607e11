// The land and the borders behind the map: fetched once from our own origin, then shared.

import { merge, mesh } from 'topojson-client';
import type { MultiLineString, MultiPolygon } from 'geojson';
import type {
  GeometryCollection,
  MultiPolygon as TopoMultiPolygon,
  Polygon,
  Topology,
} from 'topojson-specification';
import url from '../../basemap/europe.topo.json?url';

export interface Basemap {
  land: MultiPolygon;
  borders: MultiLineString;
}

type Europe = Topology<{ countries: GeometryCollection }>;

let asked: Promise<Basemap | null> | null = null;

/** Null when it could not be had: the map then shows its points on plain ground, which is still a map. */
export function loadBasemap(): Promise<Basemap | null> {
  asked ??= fetch(url)
    .then(async (response) => {
      if (!response.ok) throw new Error(`base map: HTTP ${response.status}`);
      const topology = (await response.json()) as Europe;
      const countries = topology.objects.countries;
      return {
        land: merge(topology, countries.geometries as (Polygon | TopoMultiPolygon)[]),
        borders: mesh(topology, countries, (a, b) => a !== b),
      };
    })
    .catch(() => {
      asked = null;
      return null;
    });
  return asked;
}
