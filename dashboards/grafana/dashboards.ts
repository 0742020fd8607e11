// Grafana dashboards for the collector's /metrics: overview, pair, provider comparison, agent health. Written to
// generated/ by the test beside this file; each query is put to a real Prometheus by the collector's tests. The
// collector's own screens know more (the store, exact quantiles, gaps with causes), so every delay links to them.
import {
  azimuthVariable,
  choiceVariable,
  dashboard,
  datasourceVariable,
  labelVariable,
  type Dashboard,
  type Draft,
  type Link,
} from './model';

const DELAY = 'azimuth_round_trip_delay_seconds';
const SENT = 'azimuth_probes_sent_total';
/** What the variables of a dashboard narrow a pair by. */
const CHOSEN = 'agent=~"$agent",zone=~"$zone",method="$method",load="idle"';

const method = choiceVariable('method', 'Method', ['stamp', 'icmp_echo', 'tcp_connect']);
const quantile = choiceVariable('quantile', 'Quantile', ['0.5', '0.9', '0.99']);
const agents = labelVariable('agent', 'Vantage point', 'azimuth_agent_info', true);
const zones = labelVariable('zone', 'Zone', SENT, true);

/** The quantile of what shares some labels. Two clocks are one number here; the API keeps them apart. */
function delay(by: string, chosen = CHOSEN, share = '$quantile'): string {
  return `histogram_quantile(${share}, sum by (${by}) (rate(${DELAY}{${chosen}}[$__rate_interval])))`;
}

function loss(by: string, chosen = CHOSEN): string {
  const rate = (name: string) =>
    `sum by (${by}) (rate(azimuth_probes_${name}_total{${chosen}}[$__rate_interval]))`;
  return `${rate('lost')} / ${rate('sent')}`;
}

/** To our page about the pair, for the same time. */
const toPair: Link = {
  title: 'The pair in Azimuth',
  url: '${azimuth}/pair?agent=${__field.labels.agent}&zone=${__field.labels.zone:percentencode}&from=${__from:date:iso}&to=${__to:date:iso}',
  targetBlank: true,
};
const toAgent: Link = {
  title: 'The vantage point in Azimuth',
  url: '${azimuth}/agent?agent=${__field.labels.agent}&from=${__from:date:iso}&to=${__to:date:iso}',
  targetBlank: true,
};
const toZone: Link = {
  title: 'The zone in Azimuth',
  url: '${azimuth}/zone?zone=${__field.labels.zone:percentencode}&from=${__from:date:iso}&to=${__to:date:iso}',
  targetBlank: true,
};
const toCompare: Link = {
  title: 'Zones side by side in Azimuth',
  url: '${azimuth}/compare?from=${__from:date:iso}&to=${__to:date:iso}',
  targetBlank: true,
};
const toMap: Link = { title: 'The map in Azimuth', url: '${azimuth}/', targetBlank: true };

const overview = dashboard(
  'overview',
  'Azimuth: overview',
  'Delay and loss of every pair, and whether measurements arrive.',
  [datasourceVariable, azimuthVariable, agents, zones, method, quantile],
  [
    stat(
      'Agents heard in the last minute',
      'count(time() - azimuth_agent_last_report_timestamp_seconds < 60)',
      'short',
      [toMap],
    ),
    stat('Pairs', 'azimuth_metrics_pairs', 'short'),
    stat('Probes per second', `sum(rate(${SENT}{${CHOSEN}}[$__rate_interval]))`, 'cps'),
    stat(
      'Loss',
      `sum(rate(azimuth_probes_lost_total{${CHOSEN}}[$__rate_interval])) / sum(rate(${SENT}{${CHOSEN}}[$__rate_interval]))`,
      'percentunit',
    ),
    {
      type: 'timeseries',
      title: 'Round-trip delay',
      description: 'Quantile per pair over the rate interval; off by 2.2 % at most with schema 5.',
      unit: 's',
      width: 24,
      height: 10,
      queries: [[delay('agent, zone'), '{{agent}} to {{zone}}']],
      links: [toPair],
    },
    {
      type: 'timeseries',
      title: 'Loss',
      description: 'Probes without an answer within their waiting time, as a share of those sent.',
      unit: 'percentunit',
      width: 12,
      queries: [[loss('agent, zone'), '{{agent}} to {{zone}}']],
      links: [toPair],
    },
    {
      type: 'bargauge',
      title: 'Closest zones',
      description: 'The ten zones with the shortest delay from the chosen vantage points.',
      unit: 's',
      width: 12,
      queries: [[`bottomk(10, ${delay('zone')})`, '{{zone}}']],
      links: [toZone],
    },
  ],
);

const pair = dashboard(
  'pair',
  'Azimuth: pair',
  'One vantage point to one zone.',
  [
    datasourceVariable,
    azimuthVariable,
    labelVariable('agent', 'Vantage point', 'azimuth_agent_info', false),
    labelVariable('zone', 'Zone', `${SENT}{agent="$agent"}`, false),
    method,
  ],
  [
    {
      type: 'heatmap',
      title: 'Round-trip delay',
      description: 'How many delays lie where.',
      unit: 's',
      width: 24,
      height: 10,
      queries: [[`sum(rate(${DELAY}{${CHOSEN}}[$__rate_interval]))`, '']],
    },
    {
      type: 'timeseries',
      title: 'Quantiles',
      description: 'Off by 2.2 % at most with schema 5.',
      unit: 's',
      width: 12,
      queries: ['0.1', '0.5', '0.9', '0.99'].map((share) => [
        delay('agent, zone', CHOSEN, share),
        `p${Number(share) * 100}`,
      ]),
      links: [toPair],
    },
    {
      type: 'timeseries',
      title: 'Loss',
      description: 'Probes without an answer within their waiting time, as a share of those sent.',
      unit: 'percentunit',
      width: 12,
      queries: [[loss('agent, zone'), 'loss']],
      links: [toPair],
    },
    {
      type: 'timeseries',
      title: 'Delay by method and clock',
      description:
        'Medians. Methods measure different things, and clocks stamp with different delays of their own.',
      unit: 's',
      width: 12,
      queries: [
        [delay('method, clock', 'agent=~"$agent",zone=~"$zone",load="idle"', '0.5'), '{{method}}, {{clock}}'],
      ],
    },
    {
      type: 'timeseries',
      title: 'Delay by load',
      description: 'Medians, idle and beside our own throughput tests.',
      unit: 's',
      width: 12,
      queries: [[delay('load', 'agent=~"$agent",zone=~"$zone",method="$method"', '0.5'), '{{load}}']],
    },
  ],
);

const comparison = dashboard(
  'providers',
  'Azimuth: providers',
  'Providers and their regions side by side, from the chosen vantage points.',
  [datasourceVariable, azimuthVariable, agents, labelVariable('zone', 'Zone', SENT, true), method, quantile],
  [
    {
      type: 'timeseries',
      title: 'Delay by provider',
      description: 'All pairs of a provider in one distribution; who is probed more often weighs more.',
      unit: 's',
      width: 12,
      queries: [[delay('provider'), '{{provider}}']],
      links: [toCompare],
    },
    {
      type: 'timeseries',
      title: 'Loss by provider',
      description: 'Probes without an answer within their waiting time, as a share of those sent.',
      unit: 'percentunit',
      width: 12,
      queries: [[loss('provider'), '{{provider}}']],
    },
    {
      type: 'bargauge',
      title: 'Delay by region',
      description: 'Shortest first.',
      unit: 's',
      width: 12,
      queries: [[`sort(${delay('region')})`, '{{region}}']],
    },
    {
      type: 'table',
      title: 'Delay by provider and country of the vantage point',
      description: 'Median over the vantage points of a country of their quantiles: each weighs the same.',
      unit: 's',
      width: 12,
      queries: [
        [
          `quantile by (provider, country) (0.5, ${delay('agent, provider')} * on (agent) group_left (country) azimuth_agent_info)`,
          '',
        ],
      ],
    },
    {
      type: 'timeseries',
      title: 'Share of delays under 20 ms',
      description: 'From the native histograms.',
      unit: 'percentunit',
      width: 24,
      queries: [
        [
          `histogram_fraction(0, 0.02, sum by (provider) (rate(${DELAY}{${CHOSEN}}[$__rate_interval])))`,
          '{{provider}}',
        ],
      ],
    },
  ],
);

const health = dashboard(
  'agents',
  'Azimuth: agents and collector',
  'Whether agents report, and how the collector fares.',
  [datasourceVariable, azimuthVariable, agents],
  [
    {
      type: 'table',
      title: 'Agents',
      description: 'Where they stand, as they declared last.',
      unit: 'none',
      width: 24,
      queries: [['azimuth_agent_info{agent=~"$agent"}', '']],
    },
    ofAgent(
      'Silence',
      's',
      'time() - azimuth_agent_last_report_timestamp_seconds{agent=~"$agent"}',
      '{{agent}}',
    ),
    {
      ...ofAgent('Clock skew', 's', 'azimuth_agent_clock_skew_seconds{agent=~"$agent"}', '{{agent}}'),
      signed: true,
    },
    ofAgent(
      'Reports per second',
      'cps',
      'rate(azimuth_agent_reports_total{agent=~"$agent"}[$__rate_interval])',
      '{{agent}}',
    ),
    series(
      'Verdicts per second',
      'cps',
      'sum by (verdict, reason) (rate(azimuth_ingest_items_total[$__rate_interval]))',
      '{{verdict}} {{reason}}',
    ),
    series(
      'Time in commits',
      'percentunit',
      'rate(azimuth_store_commit_seconds_total[$__rate_interval])',
      'share of the time',
    ),
    series('Store', 'bytes', 'azimuth_store_bytes', 'on disk'),
    series('Waiting for a commit', 'bytes', 'azimuth_ingest_queue_bytes', 'queue'),
    series(
      'Queries per second',
      'cps',
      'sum(rate(azimuth_queries_finished_total[$__rate_interval]))',
      'queries',
    ),
    series(
      'Left out of /metrics',
      'cps',
      'rate(azimuth_metrics_records_left_out_total[$__rate_interval])',
      'records',
    ),
    series('Memory', 'bytes', 'process_resident_memory_bytes', 'resident'),
    series(
      'Processor',
      'percentunit',
      'rate(process_cpu_seconds_total[$__rate_interval])',
      'share of one core',
    ),
    series('Version', 'none', 'azimuth_build_info', '{{version}}'),
  ],
);

/** Each under the name of its file. */
export const dashboards: Record<string, Dashboard> = {
  overview,
  pair,
  providers: comparison,
  agents: health,
};

function stat(title: string, expr: string, unit: Draft['unit'], links: Link[] = []): Draft {
  return { type: 'stat', title, description: '', unit, width: 6, height: 4, queries: [[expr, '']], links };
}

function series(title: string, unit: Draft['unit'], expr: string, legend: string): Draft {
  return { type: 'timeseries', title, description: '', unit, width: 12, queries: [[expr, legend]] };
}

/** One line an agent, each a way to its page. */
function ofAgent(title: string, unit: Draft['unit'], expr: string, legend: string): Draft {
  return { ...series(title, unit, expr, legend), links: [toAgent] };
}
