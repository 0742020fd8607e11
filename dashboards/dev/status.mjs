// How the fake collector says that it fares.
import { iso, only } from './question.mjs';
import { agents } from './many_ways.mjs';

/** A collector that is well, but for one agent that fell silent and a disk that fills. */
export function status(query, now_s) {
  only(query, ['agents']);
  const most = Number(query.get('agents') ?? 20);
  const standings = agents(new URLSearchParams(), now_s).agents.map((one) => ({
    agent: one.agent,
    name: one.vantage_point.name,
    version: one.version,
    state: one.state,
    last_report_at: one.last_report_at,
    silent_s: now_s - Date.parse(one.last_report_at) / 1000,
    clock_skew_ms: one.clock_skew_ms,
    send_lateness_p99_us: one.send_lateness_p99_us,
  }));
  const badness = { offline: 0, stale: 1, live: 2 };
  const worst = standings.sort(
    (a, b) => badness[a.state] - badness[b.state] || Math.abs(b.clock_skew_ms) - Math.abs(a.clock_skew_ms),
  );
  const of = (state) => standings.filter((one) => one.state === state).length;
  const hour_s = Math.floor(now_s / 3600) * 3600;
  const GIB = 2 ** 30;
  const tier = (name, gib, days, per_day_gib, kept_d) => ({
    tier: name,
    bytes: Math.round(gib * GIB),
    from: iso(hour_s - days * 86400),
    to: iso(hour_s),
    bytes_per_day: per_day_gib * GIB,
    kept_s: kept_d === null ? null : kept_d * 86400,
  });
  const silent = of('offline');
  const concerns = [
    {
      name: 'disk_filling',
      detail: 'the disk will be full in 9.3 days',
      remedy: 'give the store a larger disk, or shorten [retention]: the finest tier takes the most',
    },
  ];
  concerns.push({
    name: 'faster_than_light',
    detail:
      '1 pairs measured less than light in fibre needs within the last hour, the first: lyon-free to gcp/europe-west9/europe-west9-a',
    remedy: '`azimuth-collector catalogue light` shows each; the places of zones are in the catalogue',
  });
  if (silent > 0) {
    concerns.push({
      name: 'agents_silent',
      detail: `${silent} agents are silent for more than 5 min that were heard within a day`,
      remedy: 'look whether they run and reach this collector',
    });
  }
  return {
    now: iso(now_s),
    version: '0.1.0',
    uptime_s: 1_043_221,
    state: 'degraded',
    concerns,
    lately_s: 305,
    ingest: {
      queued_reports: 14,
      queued_bodies: 2,
      queued_bodies_most: 4096,
      queued_bytes: 163_840,
      queued_bytes_most: 16_777_216,
      held_bytes: 41_000,
      held_bytes_most: 67_108_864,
      stored: 229_000,
      stored_per_s: 2.2,
      body_bytes_per_s: 61_440,
    },
    commits: { n: 655, p50_us: 3_412, p99_us: 18_200, max_us: 143_000, failed: 0 },
    refusals: [
      { kind: 'item', subject: 'duplicate', reason: 'duplicate', lately: 3, total: 1_204 },
      { kind: 'body', subject: 'unavailable', reason: 'queue_full', lately: 0, total: 17 },
      { kind: 'query', subject: 'map', reason: 'query_timeout', lately: 0, total: 2 },
      { kind: 'item', subject: 'refused', reason: 'bad_interval', lately: 0, total: 1 },
      { kind: 'connection', subject: '', reason: 'failed', lately: 0, total: 38 },
    ],
    store: {
      writable: true,
      disk_bytes: Math.round(11.9 * GIB),
      hot_bytes: Math.round(0.4 * GIB),
      free_bytes: 8 * GIB,
      total_bytes: 40 * GIB,
      tiers: [
        tier('10s', 6.1, 7, 0.87, 7),
        tier('1min', 4.2, 12, 0.35, 90),
        tier('1h', 1.1, 12, 0.09, 731),
        tier('1day', 0.1, 12, 0.01, null),
      ],
      growth_bytes_per_day: 0.45 * GIB,
      days_until_full: 9.3,
      estimate: 'sealed_growth',
      oldest_unsealed_hour_at: iso(hour_s),
      unsealed_hours: 1,
      sealing_behind_s: 0,
      files_set_aside: 0,
    },
    agents: {
      known: standings.length,
      live: of('live'),
      stale: of('stale'),
      offline: silent,
      silent_lately: silent,
      clocks_off: 0,
      worst: worst.slice(0, most),
      left_out: Math.max(0, worst.length - most),
    },
  };
}
