// Small makers of API objects for unit tests; never imported by the screens.

import type { Agent, Cell, Zone } from './api/model.ts';

export function makeCell(agent: string, zone: string, more: Partial<Cell> = {}): Cell {
  return {
    agent,
    zone,
    n: 300,
    sent: 300,
    returned: 300,
    lost: 0,
    loss_ratio: 0,
    min_us: 9_000,
    p50_us: 10_000,
    p90_us: 12_000,
    p99_us: 20_000,
    max_us: 40_000,
    ipdv_pairs: 0,
    ipdv_mean_us: null,
    pdv_p95_us: null,
    pdv_p99_us: null,
    late: 0,
    duplicate: 0,
    reordered: 0,
    lost_out: 0,
    lost_back: 0,
    lost_unknown: 0,
    one_way: null,
    asymmetry_unknown: 'clocks_not_synchronised',
    errors: {},
    clock: 'kernel',
    granularity: 'zone',
    ...more,
  };
}

export function makeZone(zone: string, metro: string, more: Partial<Zone> = {}): Zone {
  const [provider, region, zone_id] = zone.split('/') as [string, string, string];
  return {
    zone,
    provider,
    provider_name: provider.toUpperCase(),
    region,
    region_name: region,
    zone_id,
    country: 'FR',
    city: metro,
    metro,
    latitude: 48.85,
    longitude: 2.35,
    coordinate_accuracy_km: 15,
    methods: ['stamp'],
    ...more,
  };
}

export function makeAgent(agent: string, city: string, more: Partial<Agent> = {}): Agent {
  return {
    agent,
    version: '0.1.0',
    state: 'live',
    vantage_point: {
      name: `${city} (Net)`,
      country: 'FR',
      city,
      network: 'Net',
      asn: 64496,
      latitude: 48.85,
      longitude: 2.35,
    },
    last_report_at: '2026-11-23T10:00:00Z',
    last_interval_end_at: '2026-11-23T10:00:00Z',
    clock_skew_ms: 0,
    identity_conflicts: 0,
    last_identity_conflict_at: null,
    series: 1,
    series_admitted: 1,
    reports_stored: 1,
    send_lateness_p99_us: 40,
    plan: null,
    cloud: null,
    ...more,
  };
}
