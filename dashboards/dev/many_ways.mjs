// What the fake collector answers about many vantage points and zones.
import { NARROWING, Refusal, instant, iso, narrowed, only, windowOf } from './question.mjs';
import { intervals, gather, summary, COVERAGE, clockOf, lossRatio } from './samples.mjs';
import { AGENTS, INTERVAL_S, ZONES, hash, silentSince } from './world.mjs';

export function agents(query, now_s) {
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
        cloud: null,
        identity_conflicts: 0,
        last_identity_conflict_at: null,
      };
    }),
  };
}

export function map(query, now_s) {
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

/** Only by method or by zone, which is all the screens ask for; steps count from the epoch. */
export function groups(query, now_s) {
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
export function compare(query, now_s) {
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
