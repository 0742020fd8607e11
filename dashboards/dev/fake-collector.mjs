// A stand-in for `azimuth-collector serve`: the built screens and synthetic API answers in the contract's shapes.
// For developing and testing the screens without the Rust side. Not a reference for the API: the collector's OpenAPI is.
// Usage: node dev/fake-collector.mjs [--port 8361] [--dist DIR]   (loopback only, no dependencies)
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeAlerts } from './alerts.mjs';
import { catalogue } from './catalogue.mjs';
import { newestOf, testsOf } from './throughput.mjs';
import { AGENTS, INTERVAL_S, ZONES, hash, intervalOf, queueGap, silentSince } from './world.mjs';

export const STRICT_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

class Refusal extends Error {
  constructor(reason, detail) {
    super(detail);
    this.reason = reason;
  }
}

const iso = (unix_s) => new Date(unix_s * 1000).toISOString().replace('.000Z', 'Z');
const UNIT_S = { s: 1, m: 60, h: 3600, d: 86400 };

function instant(text, now_s) {
  if (text === 'now') return now_s;
  const relative = /^now-(\d+)([smhd])$/.exec(text);
  if (relative) return now_s - Number(relative[1]) * UNIT_S[relative[2]];
  const absolute = Date.parse(text);
  if (Number.isNaN(absolute))
    throw new Refusal('bad_time', `time ${text}: write 2026-11-23T10:00:00Z or now-1h`);
  return Math.floor(absolute / 1000);
}

function only(query, allowed) {
  for (const name of query.keys()) {
    if (!allowed.includes(name)) {
      throw new Refusal(
        'unknown_parameter',
        `unknown parameter ${name}; allowed here: ${allowed.join(', ')}`,
      );
    }
  }
}

function windowOf(query, now_s, fallback) {
  const to_s = instant(query.get('to') ?? 'now', now_s);
  const from_s = instant(query.get('from') ?? fallback, now_s);
  if (from_s >= to_s) throw new Refusal('empty_range', `from ${iso(from_s)} is not before to ${iso(to_s)}`);
  return { from_s, to_s };
}

function pick(query) {
  const agent = AGENTS.find((one) => one.agent === query.get('agent'));
  const zone = ZONES.find((one) => one.zone === query.get('zone'));
  if (!agent) throw new Refusal('unknown_agent', `no agent named ${query.get('agent')}`);
  if (!zone) throw new Refusal('unknown_zone', `no zone named ${query.get('zone')}`);
  return { agent, zone };
}

const NARROWING = ['agent', 'zone', 'city', 'country', 'network', 'provider', 'region', 'metro'];

/** The vantage points and zones that the labels of a question leave. */
function narrowed(query) {
  const left = (list, valuesOf) =>
    list.filter((one) =>
      Object.entries(valuesOf(one)).every(
        ([name, value]) => !query.has(name) || query.getAll(name).includes(value),
      ),
    );
  const agentsOf = left(AGENTS, ({ agent, vantage_point: v }) => ({
    agent,
    city: v.city,
    country: v.country,
    network: `AS${v.asn}`,
  }));
  const zonesOf = left(ZONES, ({ zone, provider, region, metro }) => ({
    zone,
    provider,
    region: `${provider}/${region}`,
    metro,
  }));
  if (agentsOf.length === 0 || zonesOf.length === 0)
    throw new Refusal('unknown_value', 'nothing is stored under a value');
  return { agentsOf, zonesOf };
}

/** Nearest rank, as the collector computes it. */
const quantile = (sorted, q) =>
  sorted.length === 0 ? null : sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
const round = (value, digits) => (value === null ? null : Number(value.toPrecision(digits)));

function* intervals(agent, zone, method, from_s, to_s, now_s, atMost = Infinity) {
  const first = Math.ceil(from_s / INTERVAL_S);
  const last = Math.floor(to_s / INTERVAL_S);
  const stride = Math.max(1, Math.ceil((last - first) / atMost));
  for (let index = first; index < last; index += stride) {
    const interval = intervalOf(agent, zone, method, index * INTERVAL_S, now_s);
    if (interval) yield interval;
  }
}

function gather(source) {
  const all = { sent: 0, lost: 0, delays_us: [] };
  for (const interval of source) {
    all.sent += interval.sent;
    all.lost += interval.lost;
    for (const delay of interval.delays_us) all.delays_us.push(delay);
  }
  all.delays_us.sort((a, b) => a - b);
  return all;
}

function summary(all) {
  const d = all.delays_us;
  return {
    n: d.length,
    sent: all.sent,
    returned: all.sent - all.lost,
    lost: all.lost,
    min_us: d[0] ?? null,
    p10_us: quantile(d, 0.1),
    p50_us: quantile(d, 0.5),
    p90_us: quantile(d, 0.9),
    p99_us: quantile(d, 0.99),
    max_us: d.at(-1) ?? null,
  };
}

/** Which stored data an answer came from; the fake keeps everything at full resolution. */
const COVERAGE = { tier: '10s', resolution_s: INTERVAL_S, tiers: [], unreadable_reports: 0, missing: [] };
const clockOf = (method) => (method === 'stamp' ? 'kernel' : 'tcp_info');
const lossRatio = (all) => (all.sent === 0 ? null : all.lost / all.sent);

function agents(query, now_s) {
  only(query, []);
  return {
    now: iso(now_s),
    agents: AGENTS.map((one) => {
      const stopped = silentSince(one, now_s);
      const end_s = Math.floor((stopped ?? now_s - 3) / INTERVAL_S) * INTERVAL_S;
      const silence_s = now_s - (end_s + 3);
      return {
        agent: one.agent,
        version: '0.1.0',
        vantage_point: one.vantage_point,
        state: silence_s <= 30 ? 'live' : silence_s <= 300 ? 'stale' : 'offline',
        last_report_at: iso(end_s + 3),
        last_interval_end_at: iso(end_s),
        clock_skew_ms: (hash(one.agent) % 41) - 20,
        series: ZONES.length * 2,
        series_admitted: ZONES.length * 2,
        reports_stored: 8640,
        send_lateness_p99_us: 40 + (hash(one.agent, 'late') % 60),
        plan: null,
        identity_conflicts: 0,
        last_identity_conflict_at: null,
      };
    }),
  };
}

function map(query, now_s) {
  only(query, ['from', 'to', 'method', 'load', 'format', ...NARROWING]);
  const { from_s, to_s } = windowOf(query, now_s, 'now-5m');
  const method = query.get('method') ?? 'stamp';
  const { agentsOf, zonesOf } = narrowed(query);
  const cells = [];
  for (const agent of agentsOf) {
    for (const zone of zonesOf) {
      const all = gather(intervals(agent, zone, method, from_s, to_s, now_s, 30));
      if (all.sent === 0) continue;
      const { p10_us: _, ...rest } = summary(all);
      cells.push({
        agent: agent.agent,
        zone: zone.zone,
        ...rest,
        loss_ratio: lossRatio(all),
        clock: all.delays_us.length === 0 ? null : clockOf(method),
        granularity: zone.zone_id === zone.region ? 'region' : 'zone',
      });
    }
  }
  return {
    from: iso(from_s),
    to: iso(to_s),
    method,
    load: query.get('load') ?? 'idle',
    coverage: COVERAGE,
    gaps: [],
    cells,
  };
}

function stepOf(query, from_s, to_s, most) {
  const asked = query.get('step');
  if (asked) return /^\d+s$/.test(asked) ? Number.parseInt(asked, 10) : Number(asked);
  const least = (to_s - from_s) / most;
  return [10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200].find((step) => step >= least) ?? 14400;
}

function steps(query, now_s, most) {
  only(query, ['agent', 'zone', 'method', 'from', 'to', 'step', 'rows', 'load']);
  const { agent, zone } = pick(query);
  const { from_s, to_s } = windowOf(query, now_s, 'now-1h');
  const method = query.get('method') ?? 'stamp';
  const step_s = stepOf(query, from_s, to_s, most);
  const groups = new Map();
  for (const interval of intervals(agent, zone, method, from_s, to_s, now_s)) {
    const start_s = Math.floor(interval.start_s / step_s) * step_s;
    if (!groups.has(start_s)) groups.set(start_s, []);
    groups.get(start_s).push(interval);
  }
  const head = {
    from: iso(from_s),
    to: iso(to_s),
    step_s,
    agent: agent.agent,
    zone: zone.zone,
    method,
    load: query.get('load') ?? 'idle',
    coverage: COVERAGE,
  };
  return {
    head,
    agent,
    from_s,
    to_s,
    groups: [...groups].map(([start_s, list]) => ({ start_s, all: gather(list) })),
  };
}

function gapsOf(agent, from_s, to_s) {
  const gaps = [];
  for (let s = Math.floor(from_s / 3600) * 3600; s < to_s; s += 3600) {
    const start = s + 12 * 60;
    const end = s + 14 * 60;
    if (queueGap(agent, 12) && end > from_s && start < to_s) {
      gaps.push({ start_at: iso(start), end_at: iso(end), cause: 'queue_full', reports: 12 });
    }
  }
  return gaps;
}

function series(query, now_s) {
  const { head, agent, from_s, to_s, groups } = steps(query, now_s, 360);
  const points = groups.map(({ start_s, all }) => ({ start_at: iso(start_s), ...summary(all) }));
  return { ...head, flow: null, flows: [0], points, gaps: gapsOf(agent, from_s, to_s) };
}

/** One change of path, two thirds into the window. */
function paths(query, now_s) {
  only(query, ['agent', 'zone', 'from', 'to']);
  const { from_s, to_s } = windowOf(query, now_s, 'now-24h');
  pick(query);
  const hop = (number, address) => ({
    hop: number,
    addresses: address === null ? [] : [address],
    sent: 3,
    answered: address === null ? 0 : 3,
    min_us: address === null ? null : number * 900,
    median_us: address === null ? null : number * 950,
  });
  const path = (addresses) => ({ reached: true, hops: addresses.map((one, index) => hop(index + 1, one)) });
  const before = path(['10.88.1.2', '10.88.2.2', '10.88.3.2', '10.88.9.2']);
  const after = path(['10.88.1.2', null, '10.88.4.2', '10.88.9.2']);
  const at = iso(Math.floor(from_s + ((to_s - from_s) * 2) / 3));
  return {
    from: iso(from_s),
    to: iso(to_s),
    agent: query.get('agent'),
    zone: query.get('zone'),
    targets: [
      {
        target: 'reflector',
        address: '10.88.9.2:8620',
        method: 'stamp',
        current: { at, ...after },
        changes: [{ at, reason: 'delay_shift', before, after, differs_at: [3] }],
      },
    ],
  };
}

function heatmap(query, now_s) {
  const { head, groups } = steps(query, now_s, 400);
  const every = groups.flatMap(({ all }) => all.delays_us);
  const clock = every.length === 0 ? null : clockOf(head.method);
  if (every.length === 0) return { ...head, clock, gaps: [], rows: [], columns: [] };
  const low = Math.log(every.reduce((a, b) => Math.min(a, b)) * 0.97);
  const high = Math.log(every.reduce((a, b) => Math.max(a, b)) * 1.03);
  const count = Math.min(160, Number(query.get('rows') ?? 80));
  const edge = (row) => Math.round(Math.exp(low + ((high - low) * row) / count));
  const rows = Array.from({ length: count }, (_, row) => ({ low_us: edge(row), high_us: edge(row + 1) - 1 }));
  const columns = groups.map(({ start_s, all }) => {
    const counts = new Map();
    for (const delay of all.delays_us) {
      const row = Math.min(
        count - 1,
        Math.max(0, Math.floor(((Math.log(delay) - low) / (high - low)) * count)),
      );
      counts.set(row, (counts.get(row) ?? 0) + 1);
    }
    return {
      start_at: iso(start_s),
      n: all.delays_us.length,
      sent: all.sent,
      lost: all.lost,
      counts: [...counts].sort((a, b) => a[0] - b[0]),
    };
  });
  return { ...head, clock, gaps: [], rows, columns };
}

function distribution(query, now_s) {
  only(query, ['agent', 'zone', 'method', 'from', 'to', 'load']);
  const { agent, zone } = pick(query);
  const { from_s, to_s } = windowOf(query, now_s, 'now-1h');
  const method = query.get('method') ?? 'stamp';
  const all = gather(intervals(agent, zone, method, from_s, to_s, now_s));
  const d = all.delays_us;
  const percentiles = [];
  for (let half = 1, step = 0; d.length * half >= 1 && step < 400; step += 1) {
    const q = 1 - half;
    percentiles.push({ quantile: round(q, 8), value_us: quantile(d, q) });
    half /= 10 ** (1 / 20);
  }
  const bins = [];
  for (const delay of d) {
    const low_us = Math.floor(delay / 16) * 16;
    if (bins.at(-1)?.low_us === low_us) bins.at(-1).count += 1;
    else bins.push({ low_us, high_us: low_us + 15, count: 1 });
  }
  const { p10_us: _a, p50_us: _b, p90_us: _c, p99_us: _d, ...rest } = summary(all);
  return {
    from: iso(from_s),
    to: iso(to_s),
    agent: agent.agent,
    zone: zone.zone,
    method,
    load: query.get('load') ?? 'idle',
    coverage: COVERAGE,
    gaps: [],
    clock: d.length === 0 ? null : clockOf(method),
    ...rest,
    loss_ratio: lossRatio(all),
    mean_us: d.length === 0 ? null : Math.round(d.reduce((a, b) => a + b, 0) / d.length),
    percentiles,
    bins,
  };
}

/** Counts by address (two of them, told apart by the second a probe left) and by hour; a rougher account than the collector's. */
function explain(query, now_s) {
  only(query, [
    'agent',
    'zone',
    'method',
    'from',
    'to',
    'load',
    'inside_from',
    'inside_to',
    'low_us',
    'high_us',
  ]);
  const { agent, zone } = pick(query);
  const { from_s, to_s } = windowOf(query, now_s, 'now-1h');
  const method = query.get('method') ?? 'stamp';
  const inside = {
    from_s: instant(query.get('inside_from'), now_s),
    to_s: instant(query.get('inside_to'), now_s),
  };
  const [low, high] = [Number(query.get('low_us')), Number(query.get('high_us'))];
  const counts = new Map();
  const total = { inside: 0, outside: 0 };
  for (const interval of intervals(agent, zone, method, from_s, to_s, now_s)) {
    const then = inside.from_s <= interval.start_s && interval.start_s < inside.to_s;
    for (const delay of interval.delays_us) {
      const side = then && low <= delay && delay <= high ? 'inside' : 'outside';
      const address = `192.0.2.${delay > high * 0.9 || delay % 3 === 0 ? 11 : 10}`;
      if (!counts.has(address)) counts.set(address, { inside: 0, outside: 0 });
      counts.get(address)[side] += 1;
      total[side] += 1;
    }
  }
  const lines = [...counts].flatMap(([value, n]) => {
    const lift = n.inside / total.inside / (n.outside / total.outside);
    if (!(lift > 1.05) || n.inside < 8) return [];
    const of = { of_inside: total.inside, of_outside: total.outside };
    return [{ trait: 'address', value, ...n, ...of, lift, lift_least: 1 + (lift - 1) * 0.7 }];
  });
  const trait = (name, values) => ({ trait: name, values, too_few: 0 });
  return {
    from: iso(from_s),
    to: iso(to_s),
    inside_from: iso(inside.from_s),
    inside_to: iso(inside.to_s),
    low_us: low,
    high_us: high,
    agent: agent.agent,
    zone: zone.zone,
    method,
    load: query.get('load') ?? 'idle',
    flow: null,
    clock: clockOf(method),
    coverage: COVERAGE,
    n_inside: total.inside,
    n_outside: total.outside,
    traits: [
      trait('address', counts.size),
      trait('flow', 1),
      trait('hour', 1),
      trait('method', 1),
      trait('load', 1),
    ],
    lines,
  };
}

/** Only by method or by zone, which is all the screens ask for; steps count from the epoch. */
function groups(query, now_s) {
  only(query, ['group_by', 'from', 'to', 'step', 'load', 'method', ...NARROWING]);
  const by = query.get('group_by');
  if (by !== 'method' && by !== 'zone') throw new Refusal('invalid_parameter', 'group_by: method or zone');
  const { from_s, to_s } = windowOf(query, now_s, 'now-1h');
  const { agentsOf, zonesOf } = narrowed(query);
  const asked = query.get('method') ?? 'stamp';
  const step_s = query.has('step') ? Number.parseInt(query.get('step'), 10) : null;
  if (step_s !== null && (!(step_s > 0) || step_s % 10 !== 0))
    throw new Refusal('invalid_parameter', 'step: a multiple of 10s');
  const kinds =
    by === 'method'
      ? ['stamp', 'tcp_connect'].map((method) => ({ method, of: zonesOf, labels: { method } }))
      : zonesOf.map((zone) => ({ method: asked, of: [zone], labels: { zone: zone.zone } }));
  const starts = [];
  if (step_s === null) starts.push(from_s);
  else for (let s = Math.floor(from_s / step_s) * step_s; s < to_s; s += step_s) starts.push(s);
  // Of many vantage points fewer intervals each are drawn, so that the stand-in stays quick.
  const most = Math.max(1, Math.ceil((agentsOf.length > 1 ? 8 : 40) / Math.ceil(starts.length / 4)));
  const rows = starts.flatMap((start_s) =>
    kinds.map(({ method, of, labels }) => {
      const all = { sent: 0, lost: 0, delays_us: [] };
      const heard = { agents: new Set(), zones: new Set() };
      const [a, b] = [Math.max(from_s, start_s), step_s === null ? to_s : Math.min(to_s, start_s + step_s)];
      for (const agent of agentsOf) {
        for (const zone of of) {
          const one = gather(intervals(agent, zone, method, a, b, now_s, most));
          if (one.sent === 0) continue;
          heard.agents.add(agent);
          heard.zones.add(zone);
          all.sent += one.sent;
          all.lost += one.lost;
          for (const delay of one.delays_us) all.delays_us.push(delay);
        }
      }
      all.delays_us.sort((x, y) => x - y);
      const { p10_us: _, ...rest } = summary(all);
      return {
        start_at: iso(start_s),
        labels,
        agents: heard.agents.size,
        zones: heard.zones.size,
        ...rest,
        loss_ratio: lossRatio(all),
        clock: all.delays_us.length === 0 ? null : clockOf(method),
        granularity: 'zone',
      };
    }),
  );
  return {
    from: iso(from_s),
    to: iso(to_s),
    step_s,
    group_by: [by],
    coverage: COVERAGE,
    gaps: [],
    groups: rows.filter((row) => row.sent > 0),
  };
}

/** Two windows of the same pairs. The figures of significance are made up from the shift; the collector computes them. */
function compare(query, now_s) {
  only(query, ['from', 'to', 'baseline_from', 'baseline_to', 'method', 'load', ...NARROWING]);
  const { agentsOf, zonesOf } = narrowed(query);
  const now = windowOf(query, now_s, 'now-1h');
  const before = {
    from_s: instant(query.get('baseline_from') ?? 'now-25h', now_s),
    to_s: instant(query.get('baseline_to') ?? 'now-24h', now_s),
  };
  if (before.to_s > now.from_s && before.from_s < now.to_s)
    throw new Refusal('overlap', 'the windows overlap');
  const method = query.get('method') ?? 'stamp';
  const window = (agent, zone, { from_s, to_s }) => {
    const all = gather(intervals(agent, zone, method, from_s, to_s, now_s, 20));
    const { n, sent, lost, p50_us, p90_us, p99_us } = summary(all);
    const counts = { n, n_effective: n / 3, intervals: Math.min(20, n), sent, lost };
    return { ...counts, loss_ratio: lossRatio(all), p50_us, p90_us, p99_us };
  };
  const pairs = [];
  for (const agent of agentsOf) {
    for (const zone of zonesOf) {
      const [current, baseline] = [window(agent, zone, now), window(agent, zone, before)];
      if (current.sent + baseline.sent === 0) continue;
      const judged = current.n >= 8 && baseline.n >= 8;
      const shift = judged ? current.p50_us - baseline.p50_us : null;
      const share = judged ? shift / baseline.p50_us : 0;
      const p = judged ? Math.max(1e-6, Math.exp(-Math.abs(share) * 60)) : null;
      pairs.push({
        agent: agent.agent,
        zone: zone.zone,
        clock: judged ? clockOf(method) : null,
        window: current,
        baseline,
        shift_p50_us: shift,
        theta: judged ? Math.min(1, Math.max(0, 0.5 + share * 4)) : null,
        p,
        q: p,
        why: judged ? null : 'not_enough',
        loss_p: null,
        loss_q: null,
        loss_why: 'not_enough',
      });
    }
  }
  return {
    from: iso(now.from_s),
    to: iso(now.to_s),
    baseline_from: iso(before.from_s),
    baseline_to: iso(before.to_s),
    method,
    load: query.get('load') ?? 'idle',
    coverage: COVERAGE,
    baseline_coverage: COVERAGE,
    pairs,
  };
}

/** A collector that is well, but for one agent that fell silent and a disk that fills. */
function status(query, now_s) {
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

const alerting = makeAlerts();
const snapshots = new Map();

const ROUTES = {
  alerts: (query, now_s) => {
    only(query, ['state', 'rule', 'id', 'agent', 'zone', 'limit']);
    return alerting.alerts(query, now_s);
  },
  incidents: (query, now_s) => {
    only(query, ['state', 'limit']);
    return alerting.incidents(query, now_s);
  },
  rules: alerting.rules,
  silences: alerting.silences,
  agents,
  catalogue: (query) => {
    only(query, []);
    return catalogue();
  },
  groups,
  compare,
  session: () => ({
    name: 'this machine',
    role: 'administer',
    can_log_in: false,
    can_log_out: false,
    is_public: false,
  }),
  snapshots: () => ({
    snapshots: [...snapshots.values()].map(({ answers: _, ...head }) => head).reverse(),
  }),
  status,
  zones: (query) => {
    only(query, []);
    return { zones: ZONES };
  },
  map,
  throughput: (query, now_s) => {
    only(query, ['agent', 'zone', 'from', 'to']);
    const { agent, zone } = pick(query);
    const { from_s, to_s } = windowOf(query, now_s, 'now-24h');
    const tests = testsOf(agent, zone, from_s, to_s);
    return { from: iso(from_s), to: iso(to_s), agent: agent.agent, zone: zone.zone, tests };
  },
  'throughput/newest': (query, now_s) => {
    only(query, ['from', 'to', ...NARROWING]);
    const { from_s, to_s } = windowOf(query, now_s, 'now-24h');
    const { agentsOf, zonesOf } = narrowed(query);
    const cells = agentsOf.flatMap((agent) => zonesOf.flatMap((zone) => newestOf(agent, zone, from_s, to_s)));
    return { from: iso(from_s), to: iso(to_s), cells };
  },
  series,
  heatmap,
  paths,
  explain,
  distribution,
};

async function staticFile(dist, pathname) {
  const wanted = pathname.includes('.') ? normalize(pathname).replace(/^(\.\.[/\\])+/, '') : '/index.html';
  return {
    body: await readFile(join(dist, wanted)),
    type: TYPES[extname(wanted)] ?? 'application/octet-stream',
  };
}

/** Starts the server and resolves to it; `port` 0 takes a free one. */
export function startFakeCollector({ port = 8361, dist }) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const send = (status, type, body) => {
      response.writeHead(status, {
        'content-type': type,
        'content-security-policy': STRICT_CSP,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': url.pathname.startsWith('/assets/')
          ? 'public, max-age=31536000, immutable'
          : 'no-cache',
      });
      response.end(body);
    };
    try {
      const now_s = Math.floor(Date.now() / 1000);
      if (request.method !== 'GET') {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        if (url.pathname === '/api/v1/snapshots' && request.method === 'POST') {
          const { title, view, questions } = JSON.parse(text);
          const answers = questions.map((question) => {
            const asked = new URL(question, 'http://localhost');
            const answer = ROUTES[asked.pathname.replace('/api/v1/', '')](asked.searchParams, now_s);
            return { url: question, answer, refused: null };
          });
          const id = String(snapshots.size + 1).padStart(24, '0');
          const head = { id, title, view, created_at: iso(now_s), kept_by: 'this machine' };
          snapshots.set(id, { ...head, bytes: text.length, answers });
          return send(201, 'application/json', JSON.stringify({ ...head, bytes: text.length }));
        }
        const forgotten = /^\/api\/v1\/snapshots\/(\w+)$/.exec(url.pathname)?.[1];
        if (request.method === 'DELETE' && snapshots.delete(forgotten))
          return send(204, 'application/json', '');
        const changed = alerting.change(
          request.method,
          url.pathname,
          text === '' ? {} : JSON.parse(text),
          now_s,
        );
        if (changed === null) send(405, 'text/plain; charset=utf-8', 'not here\n');
        else send(changed[0], 'application/json', changed[1] === null ? '' : JSON.stringify(changed[1]));
        return;
      }
      const kept = /^\/api\/v1\/snapshots\/(\w+)$/.exec(url.pathname)?.[1];
      if (kept !== undefined) {
        if (snapshots.has(kept)) return send(200, 'application/json', JSON.stringify(snapshots.get(kept)));
        const problem = {
          title: 'Not Found',
          status: 404,
          detail: 'there is no such snapshot',
          reason: 'unknown_snapshot',
        };
        return send(404, 'application/problem+json', JSON.stringify(problem));
      }
      // Only the head and one row: enough to take a table away.
      if (
        url.pathname === '/api/v1/export' ||
        (url.searchParams.get('format') === 'csv' && url.pathname !== '/api/v1/map')
      ) {
        const text = 'agent,zone,n,loss_ratio\r\nbrest-orange,aws/eu-west-3/euw3-az1,300,0.0133\r\n';
        return send(200, 'text/csv; charset=utf-8', text);
      }
      const route = /^\/api\/v1\/([\w/]+)$/.exec(url.pathname)?.[1];
      if (route && Object.hasOwn(ROUTES, route)) {
        const answer = ROUTES[route](url.searchParams, now_s);
        if (route === 'map' && url.searchParams.get('format') === 'csv') {
          const names = ['agent', 'zone', 'n', 'sent', 'lost', 'loss_ratio', 'p50_us', 'p90_us', 'p99_us'];
          const line = (cell) => names.map((name) => cell[name] ?? '').join(',');
          send(200, 'text/csv', [names.join(','), ...answer.cells.map(line), ''].join('\r\n'));
        } else send(200, 'application/json', JSON.stringify(answer));
      } else {
        const { body, type } = await staticFile(dist, url.pathname);
        send(200, type, body);
      }
    } catch (error) {
      if (error instanceof Refusal) {
        const problem = {
          type: 'about:blank',
          title: 'Bad request',
          status: 400,
          detail: error.message,
          reason: error.reason,
        };
        send(400, 'application/problem+json', JSON.stringify(problem));
      } else {
        send(404, 'text/plain; charset=utf-8', `not found: ${url.pathname}\n`);
      }
    }
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name) => {
    const index = process.argv.indexOf(name);
    return index < 0 ? undefined : process.argv[index + 1];
  };
  const dist = option('--dist') ?? fileURLToPath(new URL('../dist', import.meta.url));
  const server = await startFakeCollector({ port: Number(option('--port') ?? 8361), dist });
  console.log(`fake collector: synthetic data on http://127.0.0.1:${server.address().port}/`);
}
