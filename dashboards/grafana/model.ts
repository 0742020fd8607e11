// The part of Grafana's dashboard JSON that is used here, as types, and the few shapes panels come in. Not a library for
// Grafana: what is not needed is not described. Standard: Grafana dashboard JSON model, schemaVersion 38.

/** Where a panel gets its data: the Prometheus chosen at the top of the dashboard. */
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;
/** Columns of Grafana's grid. */
const COLUMNS = 24;

export type Unit = 's' | 'percentunit' | 'short' | 'bytes' | 'Bps' | 'cps' | 'dateTimeFromNow' | 'none';

export interface Target {
  refId: string;
  expr: string;
  legendFormat: string;
  format: 'time_series' | 'heatmap' | 'table';
  instant: boolean;
}

export interface Link {
  title: string;
  url: string;
  targetBlank: boolean;
}

export interface Panel {
  id: number;
  type: 'timeseries' | 'heatmap' | 'stat' | 'table' | 'bargauge';
  title: string;
  description: string;
  datasource: typeof DATASOURCE;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig: { defaults: { unit: Unit; min?: number; links: Link[] }; overrides: never[] };
  options: Record<string, unknown>;
  targets: Target[];
}

export interface Variable {
  name: string;
  label: string;
  type: 'datasource' | 'query' | 'textbox' | 'custom';
  query: string;
  datasource?: typeof DATASOURCE;
  includeAll?: boolean;
  multi?: boolean;
  allValue?: string;
  refresh?: 2;
  current: { text: string; value: string };
}

export interface Dashboard {
  uid: string;
  title: string;
  description: string;
  tags: string[];
  schemaVersion: 38;
  editable: boolean;
  timezone: 'browser';
  refresh: string;
  time: { from: string; to: string };
  links: {
    type: 'dashboards';
    title: string;
    tags: string[];
    keepTime: true;
    includeVars: true;
    asDropdown: false;
  }[];
  templating: { list: Variable[] };
  panels: Panel[];
}

/** A panel before it has a number and a place. */
export interface Draft {
  type: Panel['type'];
  title: string;
  description: string;
  unit: Unit;
  /** Whether values below zero are shown. */
  signed?: true;
  width: 6 | 8 | 12 | 24;
  height?: number;
  /** Expression and legend of each query. */
  queries: [expr: string, legend: string][];
  links?: Link[];
}

/** The tag that the four dashboards find each other by. */
const TAG = 'azimuth';

export function dashboard(
  name: string,
  title: string,
  description: string,
  variables: Variable[],
  drafts: Draft[],
): Dashboard {
  return {
    uid: `azimuth-${name}`,
    title,
    description,
    tags: [TAG],
    schemaVersion: 38,
    editable: true,
    timezone: 'browser',
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    links: [
      {
        type: 'dashboards',
        title: 'Azimuth',
        tags: [TAG],
        keepTime: true,
        includeVars: true,
        asDropdown: false,
      },
    ],
    templating: { list: variables },
    panels: placed(drafts),
  };
}

/** From left to right, and on to the next row when one is full. */
function placed(drafts: Draft[]): Panel[] {
  let [x, y, tallest] = [0, 0, 0];
  return drafts.map((draft, index) => {
    const height = draft.height ?? 8;
    if (x + draft.width > COLUMNS) [x, y, tallest] = [0, y + tallest, 0];
    const gridPos = { x, y, w: draft.width, h: height };
    x += draft.width;
    tallest = Math.max(tallest, height);
    return panel(draft, index + 1, gridPos);
  });
}

function panel(draft: Draft, id: number, gridPos: Panel['gridPos']): Panel {
  const latest = draft.type === 'stat' || draft.type === 'table' || draft.type === 'bargauge';
  const format = draft.type === 'heatmap' ? 'heatmap' : draft.type === 'table' ? 'table' : 'time_series';
  return {
    id,
    type: draft.type,
    title: draft.title,
    description: draft.description,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit: draft.unit, ...(draft.signed ? {} : { min: 0 }), links: draft.links ?? [] },
      overrides: [],
    },
    options: options(draft),
    targets: draft.queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      expr,
      legendFormat,
      format,
      instant: latest,
    })),
  };
}

function options(draft: Draft): Record<string, unknown> {
  switch (draft.type) {
    case 'timeseries':
      return { legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull'] } };
    case 'heatmap':
      return { calculate: false, yAxis: { unit: draft.unit }, color: { scheme: 'Viridis', mode: 'scheme' } };
    case 'stat':
    case 'bargauge':
      return { reduceOptions: { calcs: ['lastNotNull'] } };
    case 'table':
      return { showHeader: true };
  }
}

/** The Prometheus to ask. */
export const datasourceVariable: Variable = {
  name: 'datasource',
  label: 'Prometheus',
  type: 'datasource',
  query: 'prometheus',
  current: { text: 'default', value: 'default' },
};

/** Where the collector's own pages are, as the reader's browser reaches them. */
export const azimuthVariable: Variable = {
  name: 'azimuth',
  label: 'Azimuth',
  type: 'textbox',
  query: 'http://127.0.0.1:8360',
  current: { text: 'http://127.0.0.1:8360', value: 'http://127.0.0.1:8360' },
};

/** Values of a label, one or several or all. */
export function labelVariable(label: string, title: string, of: string, multi: boolean): Variable {
  return {
    name: label,
    label: title,
    type: 'query',
    query: `label_values(${of}, ${label})`,
    datasource: DATASOURCE,
    includeAll: multi,
    multi,
    ...(multi ? { allValue: '.*' } : {}),
    refresh: 2,
    current: multi ? { text: 'All', value: '$__all' } : { text: '', value: '' },
  };
}

/** One of a few words. */
export function choiceVariable(name: string, title: string, choices: [string, ...string[]]): Variable {
  const first = choices[0];
  return {
    name,
    label: title,
    type: 'custom',
    query: choices.join(','),
    current: { text: first, value: first },
  };
}
