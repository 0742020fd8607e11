// What the fake collector answers about one vantage point and one zone.
import { iso, instant, only, windowOf, pick } from './question.mjs';
import {
  quantile,
  round,
  intervals,
  gather,
  summary,
  COVERAGE,
  clockOf,
  lossRatio,
  steps,
  gapsOf,
} from './samples.mjs';

export function series(query, now_s) {
  const { head, agent, from_s, to_s, groups } = steps(query, now_s, 360);
  const points = groups.map(({ start_s, all }) => ({ start_at: iso(start_s), ...summary(all) }));
  return { ...head, flow: null, flows: [0], points, gaps: gapsOf(agent, from_s, to_s) };
}

/** One change of path, two thirds into the window. */
export function paths(query, now_s) {
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

export function heatmap(query, now_s) {
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

export function distribution(query, now_s) {
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
export function explain(query, now_s) {
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
