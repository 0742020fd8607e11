// From the synthetic world to numbers: intervals gathered, steps, gaps, quantiles by nearest rank as the collector takes them.
import { iso, only, windowOf, pick } from './question.mjs';
import { INTERVAL_S, intervalOf, queueGap } from './world.mjs';

/** Nearest rank, as the collector computes it. */
export const quantile = (sorted, q) =>
  sorted.length === 0 ? null : sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];

export const round = (value, digits) => (value === null ? null : Number(value.toPrecision(digits)));

export function* intervals(agent, zone, method, from_s, to_s, now_s, atMost = Infinity) {
  const first = Math.ceil(from_s / INTERVAL_S);
  const last = Math.floor(to_s / INTERVAL_S);
  const stride = Math.max(1, Math.ceil((last - first) / atMost));
  for (let index = first; index < last; index += stride) {
    const interval = intervalOf(agent, zone, method, index * INTERVAL_S, now_s);
    if (interval) yield interval;
  }
}

export function gather(source) {
  const all = { sent: 0, lost: 0, delays_us: [] };
  for (const interval of source) {
    all.sent += interval.sent;
    all.lost += interval.lost;
    for (const delay of interval.delays_us) all.delays_us.push(delay);
  }
  all.delays_us.sort((a, b) => a - b);
  return all;
}

export function summary(all) {
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
export const COVERAGE = {
  tier: '10s',
  resolution_s: INTERVAL_S,
  tiers: [],
  unreadable_reports: 0,
  missing: [],
};

export const clockOf = (method) => (method === 'stamp' ? 'kernel' : 'tcp_info');

export const lossRatio = (all) => (all.sent === 0 ? null : all.lost / all.sent);

export function stepOf(query, from_s, to_s, most) {
  const asked = query.get('step');
  if (asked) return /^\d+s$/.test(asked) ? Number.parseInt(asked, 10) : Number(asked);
  const least = (to_s - from_s) / most;
  return [10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200].find((step) => step >= least) ?? 14400;
}

export function steps(query, now_s, most) {
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

export function gapsOf(agent, from_s, to_s) {
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
