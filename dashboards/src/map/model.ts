// What the map shows, worked out before anything is drawn: zones ranked from one vantage point and gathered by metro.
// Zones are gathered by the catalogue's metro key, never by pixels: Gravelines is not Roubaix however far one zooms out.

import type { Agent, Zone } from '../api/model.ts';
import { groupBy } from '../group.ts';
import { compareValues, isDead, isRate, valueOf, type SeenCell } from '../metric.ts';
import { tooFew } from '../numbers/samples.ts';
import type { Metric } from '../url/state.ts';

export interface RankedZone {
  zone: Zone;
  /** Null when this vantage point has no answer for it in the window. */
  cell: SeenCell | null;
  value: number | null;
  few: boolean;
}

export interface Metro {
  name: string;
  latitude: number;
  longitude: number;
  zones: RankedZone[];
  /** A delay or a rate: that of its best zone with enough samples. Loss: all probes to the metro together, because counts add up. */
  value: number | null;
  /** Every zone of it was probed and none answered. */
  dead: boolean;
}

export interface City {
  name: string;
  latitude: number;
  longitude: number;
  agents: Agent[];
}

const order = (one: RankedZone): number => (one.value === null ? 2 : one.few ? 1 : 0);

/** Best first (of losses the worst first: it is what one looks for); then those with too few samples to rank, then those without a value. */
export function rankZones(zones: readonly Zone[], cells: readonly SeenCell[], metric: Metric): RankedZone[] {
  const byZone = new Map(cells.map((cell) => [cell.zone, cell]));
  return zones
    .map((zone) => {
      const cell = byZone.get(zone.zone) ?? null;
      const value = cell === null ? null : valueOf(cell, metric);
      return { zone, cell, value, few: cell !== null && tooFew(metric, cell) };
    })
    .sort((a, b) => {
      const byOrder = order(a) - order(b);
      if (byOrder !== 0) return byOrder;
      const byValue = compareValues(a.value ?? 0, b.value ?? 0, metric) * (metric === 'loss' ? -1 : 1);
      // Equal losses and rates are ordered by delay, so that the list stays useful when nothing is lost.
      const byDelay = (a.cell?.p50_us ?? 0) - (b.cell?.p50_us ?? 0);
      return byValue || byDelay || (a.zone.zone < b.zone.zone ? -1 : 1);
    });
}

/** One place per metro, in the middle of its zones. Zones without coordinates stay in the list only. */
export function gatherMetros(ranked: readonly RankedZone[], metric: Metric): Metro[] {
  const placed = ranked.filter((one) => one.zone.latitude !== null && one.zone.longitude !== null);
  const groups = groupBy(placed, (one) => one.zone.metro);
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  return [...groups].map(([name, zones]) => ({
    name,
    latitude: mean(zones.map((one) => one.zone.latitude!)),
    longitude: mean(zones.map((one) => one.zone.longitude!)),
    zones,
    dead: zones.every((one) => isDead(one.cell)),
    value:
      metric === 'loss'
        ? pooledLoss(zones)
        : (zones.find((one) => one.value !== null && !one.few)?.value ?? null),
  }));
}

function pooledLoss(zones: readonly RankedZone[]): number | null {
  const sent = zones.reduce((sum, one) => sum + (one.cell?.sent ?? 0), 0);
  const lost = zones.reduce((sum, one) => sum + (one.cell?.lost ?? 0), 0);
  return sent === 0 ? null : lost / sent;
}

/** Of each vantage point, by its id, the way to the best of some zones: a delay of one with enough samples, or all losses together. */
export function bestViews(cells: readonly SeenCell[], metric: Metric): Map<string, number> {
  const views = new Map<string, number>();
  for (const [agent, list] of groupBy(cells, (cell) => cell.agent)) {
    const enough = list.filter((cell) => !tooFew(metric, cell));
    const values = enough.map((cell) => valueOf(cell, metric)).filter((value) => value !== null);
    const sent = list.reduce((sum, cell) => sum + cell.sent, 0);
    if (metric === 'loss' && sent > 0)
      views.set(agent, list.reduce((sum, cell) => sum + cell.lost, 0) / sent);
    else if (metric !== 'loss' && values.length > 0)
      views.set(agent, isRate(metric) ? Math.max(...values) : Math.min(...values));
  }
  return views;
}

/** Vantage points by city: two networks in one city are one dot. */
export function gatherCities(agents: readonly Agent[]): City[] {
  const groups = groupBy(agents, ({ vantage_point }) => `${vantage_point.country} ${vantage_point.city}`);
  return [...groups.values()].map((list) => {
    const { city, latitude, longitude } = list[0]!.vantage_point;
    return { name: city, latitude, longitude, agents: list };
  });
}

/** A click on a city selects its first vantage point, and the next one when it is already selected. */
export function nextAgentIn(city: City, selected: string | null): string {
  const index = city.agents.findIndex((agent) => agent.agent === selected);
  return city.agents[(index + 1) % city.agents.length]!.agent;
}

/** The vantage point to start with: the asked one, else the first live one, else any. */
export function chooseAgent(agents: readonly Agent[], asked: string | null): Agent | null {
  return (
    agents.find((agent) => agent.agent === asked) ??
    agents.find((agent) => agent.state === 'live') ??
    agents[0] ??
    null
  );
}

/** The least stretch of country shown around the places: one city alone is not blown up to street level. */
const LEAST_DEGREES = { latitude: 5, longitude: 8 };

/** The places, and around their middle four corners that keep the map at the scale of a country or wider. */
export function frameOf(places: readonly { latitude: number; longitude: number }[]): [number, number][] {
  if (places.length === 0) return [];
  const middle = (values: number[]): number => (Math.min(...values) + Math.max(...values)) / 2;
  const latitude = middle(places.map((place) => place.latitude));
  const longitude = middle(places.map((place) => place.longitude));
  const corners = [-0.5, 0.5].flatMap((a) =>
    [-0.5, 0.5].map((b): [number, number] => [
      longitude + a * LEAST_DEGREES.longitude,
      latitude + b * LEAST_DEGREES.latitude,
    ]),
  );
  return [...places.map((place): [number, number] => [place.longitude, place.latitude]), ...corners];
}

/** A gently bent line from one place to another, so that lines to neighbouring places part early. */
export function arcPath(from: readonly [number, number], to: readonly [number, number]): string {
  const [x1, y1] = from;
  const [x2, y2] = to;
  const bend = 0.16;
  const side = x2 >= x1 ? 1 : -1;
  const cx = (x1 + x2) / 2 + (y2 - y1) * bend * side;
  const cy = (y1 + y2) / 2 - (x2 - x1) * bend * side;
  const f = (value: number): string => value.toFixed(1);
  return `M${f(x1)} ${f(y1)}Q${f(cx)} ${f(cy)} ${f(x2)} ${f(y2)}`;
}
