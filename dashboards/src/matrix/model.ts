// The matrix before it is drawn: which rows, which columns in which groups, in what order, and where an arrow key leads.

import type { Agent, ComparedPair, Zone } from '../api/model.ts';
import { groupBy } from '../group.ts';
import { networkOf } from '../map/vantage.ts';
import { compareValues, isRate, valueOf, type Seen, type SeenCell } from '../metric.ts';
import { tooFew } from '../numbers/samples.ts';
import type { Metric } from '../url/state.ts';
import { differenceOf, seenOf, type Difference } from './difference.ts';

export type ColumnKey = 'provider' | 'metro' | 'country';
export type RowKey = 'none' | 'country' | 'network';

export interface ColumnGroup {
  key: string;
  title: string;
  zones: Zone[];
}

export interface MatrixCell {
  cell: Seen;
  value: number | null;
  few: boolean;
  /** Only where the matrix is held against an earlier window. */
  difference?: Difference;
}

export interface RowGroup {
  key: string;
  title: string;
  /** Index of its first row. */
  first: number;
  rows: number;
}

export interface Row {
  agent: Agent;
  /** In the order of the columns; null where there is no answer. */
  cells: (MatrixCell | null)[];
  /** Index of the best column with enough samples, or -1. */
  best: number;
}

export interface Matrix {
  groups: ColumnGroup[];
  zones: Zone[];
  rows: Row[];
  /** Empty when rows are not gathered. */
  rowGroups: RowGroup[];
}

export interface MatrixView {
  metric: Metric;
  group: ColumnKey;
  rows: RowKey;
  country: string | null;
  network: string | null;
  metro: string | null;
  sort: string;
  agentFilter: string;
  zoneFilter: string;
}

/** Every word must be found somewhere in the text; case and accents do not matter. */
export function matches(text: string, filter: string): boolean {
  const plain = (s: string): string => s.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  const haystack = plain(text);
  return plain(filter)
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}

const agentText = ({ agent, vantage_point: v }: Agent): string =>
  `${agent} ${v.name} ${v.city} ${v.country} ${v.network} AS${v.asn}`;
const zoneText = (z: Zone): string =>
  `${z.zone} ${z.zone_id} ${z.provider_name ?? ''} ${z.region_name ?? ''} ${z.city ?? ''} ${z.metro} ${z.country ?? ''}`;

const columnOf = (zone: Zone, by: ColumnKey): string => (by === 'country' ? (zone.country ?? '–') : zone[by]);

/** Large groups first (Paris, AWS), then by name: the comparison most readers came for stands at the left. */
export function groupZones(zones: readonly Zone[], by: ColumnKey): ColumnGroup[] {
  const groups = groupBy(zones, (zone) => columnOf(zone, by));
  const within = (zone: Zone): string =>
    by === 'provider'
      ? `${zone.metro === 'Paris' ? 0 : 1} ${zone.metro} ${zone.zone}`
      : by === 'country'
        ? `${zone.metro} ${zone.zone}`
        : zone.zone;
  return [...groups]
    .map(([key, list]) => ({
      key,
      title: by === 'provider' ? (list[0]!.provider_name ?? key) : key,
      zones: list.toSorted((a, b) => (within(a) < within(b) ? -1 : 1)),
    }))
    .sort((a, b) => b.zones.length - a.zones.length || (a.title < b.title ? -1 : 1));
}

function median(values: number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length / 2) - 1)] ?? null;
}

/** The pairs of a comparison as cells of the matrix, each with what it was before. */
export function comparedCells(pairs: readonly ComparedPair[], metric: Metric): PlacedCell[] {
  return pairs.map((pair) => ({
    ...seenOf(pair.window, pair.clock),
    agent: pair.agent,
    zone: pair.zone,
    difference: differenceOf(pair, metric),
  }));
}

export type PlacedCell = Seen & { agent: string; zone: string; difference?: Difference };

export function buildMatrix(
  agents: readonly Agent[],
  zones: readonly Zone[],
  cells: readonly (SeenCell | PlacedCell)[],
  view: MatrixView,
): Matrix {
  const shownZones = zones.filter(
    (zone) => matches(zoneText(zone), view.zoneFilter) && (view.metro === null || zone.metro === view.metro),
  );
  const groups = groupZones(shownZones, view.group);
  const columns = groups.flatMap((group) => group.zones);
  const byPair = new Map<string, PlacedCell>(cells.map((cell) => [`${cell.agent} ${cell.zone}`, cell]));
  const rows = agents
    .filter(
      (agent) =>
        matches(agentText(agent), view.agentFilter) &&
        (view.country === null || agent.vantage_point.country === view.country) &&
        (view.network === null || networkOf(agent) === view.network),
    )
    .map((agent): Row => {
      const own = columns.map((zone): MatrixCell | null => {
        const cell = byPair.get(`${agent.agent} ${zone.zone}`);
        if (!cell) return null;
        const { difference } = cell;
        const few =
          tooFew(view.metric, cell) || (difference !== undefined && tooFew(view.metric, difference.before));
        return {
          cell,
          value: valueOf(cell, view.metric),
          few,
          ...(difference === undefined ? {} : { difference }),
        };
      });
      let best = -1; // of losses there is rarely one best: most are zero
      own.forEach((one, index) => {
        if (view.metric === 'loss' || one === null || one.few || one.value === null) return;
        if (best < 0 || compareValues(one.value, own[best]!.value!, view.metric) < 0) best = index;
      });
      return { agent, cells: own, best };
    });
  const sorted = sortRows(rows, columns, view);
  return { groups, zones: columns, ...gatherRows(sorted, view.rows) };
}

/** Rows that share a country or a network stand together, in their own order; the largest group first. */
function gatherRows(rows: Row[], by: RowKey): { rows: Row[]; rowGroups: RowGroup[] } {
  if (by === 'none') return { rows, rowGroups: [] };
  const keyOf = ({ agent }: Row): string =>
    by === 'country' ? agent.vantage_point.country : networkOf(agent);
  const gathered = [...groupBy(rows, keyOf)].sort(([, a], [, b]) => b.length - a.length);
  let first = 0;
  const rowGroups = gathered.map(([key, list]) => {
    const title = by === 'country' ? key : list[0]!.agent.vantage_point.network;
    const group = { key, title, first, rows: list.length };
    first += list.length;
    return group;
  });
  return { rows: gathered.flatMap(([, list]) => list), rowGroups };
}

function sortRows(rows: Row[], columns: readonly Zone[], { sort, metric }: MatrixView): Row[] {
  const name = (row: Row): string => {
    const v = row.agent.vantage_point;
    return `${v.country === 'FR' ? 0 : 1} ${v.country} ${v.city} ${v.network}`;
  };
  const column = columns.findIndex((zone) => zone.zone === sort);
  const key = (row: Row): number => {
    if (column < 0 && sort !== 'typical') return 0;
    const value =
      column >= 0
        ? (row.cells[column]?.value ?? null)
        : median(row.cells.flatMap((one) => (one?.value == null || one.few ? [] : [one.value])));
    // Best first, and what was not measured last.
    return value === null ? Infinity : isRate(metric) ? -value : value;
  };
  return rows.toSorted((a, b) => {
    const [x, y] = [key(a), key(b)];
    return (x === y ? 0 : x - y) || (name(a) < name(b) ? -1 : 1);
  });
}

export interface Position {
  row: number;
  column: number;
}

/** Where a key leads from a cell of a grid, or null when the key is not ours. Never wraps: an edge is an edge. */
export function move(
  from: Position,
  key: string,
  rows: number,
  columns: number,
  control = false,
): Position | null {
  const clamp = (row: number, column: number): Position => ({
    row: Math.min(rows - 1, Math.max(0, row)),
    column: Math.min(columns - 1, Math.max(0, column)),
  });
  switch (key) {
    case 'ArrowUp':
      return clamp(from.row - 1, from.column);
    case 'ArrowDown':
      return clamp(from.row + 1, from.column);
    case 'ArrowLeft':
      return clamp(from.row, from.column - 1);
    case 'ArrowRight':
      return clamp(from.row, from.column + 1);
    case 'PageUp':
      return clamp(from.row - 10, from.column);
    case 'PageDown':
      return clamp(from.row + 10, from.column);
    case 'Home':
      return clamp(control ? 0 : from.row, 0);
    case 'End':
      return clamp(control ? rows - 1 : from.row, columns - 1);
    default:
      return null;
  }
}
