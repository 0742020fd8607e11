// What the fake collector says of alerts: the planted incidents of the synthetic world, told as a collector would tell them,
// and the changes it takes. Kept in memory until it ends. Not a detector: it knows where the incidents are.
import { AGENTS, ZONES, pairOf, silentSince } from './world.mjs';

const iso = (unix_s) => new Date(Math.floor(unix_s) * 1000).toISOString().replace('.000Z', 'Z');
const HOUR_S = 3600;
const MINUTE_S = 60;
const round = (value, digits) => Number(value.toFixed(digits));

const RULES = [
  ['regression', 'regression', 'warning', {}, {}],
  ['paris-slow', 'threshold', 'critical', { metro: ['Paris'], method: ['stamp'] }, {}],
  ['silent', 'absence', 'info', {}, { country: ['GB'] }],
  ['twenty-ms', 'objective', 'warning', { provider: ['aws', 'gcp'] }, {}],
];
const KEEP_S = 900;

function seriesOf(agent, zone) {
  return {
    agent: agent.agent,
    city: agent.vantage_point.city,
    country: agent.vantage_point.country,
    network: `AS${agent.vantage_point.asn}`,
    zone: zone.zone,
    provider: zone.provider,
    region: `${zone.provider}/${zone.region}`,
    metro: zone.metro,
    method: 'stamp',
    load: 'idle',
    target: zone.zone_id,
  };
}

function windowsOf(regressed_s, end_s) {
  const after_s = Math.min(6 * HOUR_S, Math.max(MINUTE_S, end_s - regressed_s));
  const before_s = Math.max(HOUR_S, after_s);
  return {
    before_from: iso(regressed_s - before_s),
    before_to: iso(regressed_s),
    after_from: iso(regressed_s),
    after_to: iso(regressed_s + after_s),
  };
}

/** The alerts of a world at an instant, before anything anybody did about them. */
function planted(now_s) {
  const evaluated_s = Math.floor(now_s / 60) * 60 - 90;
  const alerts = [];
  const add = (rule, number, measure, agent, zone, what) => {
    const severity = RULES.find(([name]) => name === rule)[2];
    alerts.push({
      id: `${rule}:${number}:${measure}`,
      rule,
      measure,
      severity,
      since: what.fired_at ?? what.regressed_at,
      fired_at: null,
      resolved_at: null,
      ending: null,
      episode: 1,
      told: what.state !== 'pending',
      silenced: false,
      suppressed: false,
      incident: null,
      acknowledged: null,
      series: seriesOf(agent, zone),
      ...what,
    });
  };
  const number = (agent, zone) => AGENTS.indexOf(agent) * ZONES.length + ZONES.indexOf(zone);

  // The hourly step of +8 ms, from minute 20 to minute 46: the last one, which may still go on.
  const hour_s = Math.floor((now_s - 26 * MINUTE_S) / HOUR_S) * HOUR_S;
  const [regressed_s, over_s] = [hour_s + 20 * MINUTE_S, hour_s + 46 * MINUTE_S];
  const state = now_s >= over_s + KEEP_S ? 'resolved' : now_s >= over_s + MINUTE_S ? 'recovering' : 'firing';
  const orange = AGENTS.filter((one) => one.vantage_point.network === 'Orange' && !silentSince(one, now_s));
  for (const agent of orange.slice(0, 3)) {
    for (const zone of ZONES.filter((one) => one.region === 'eu-west-3' && one.provider === 'aws').slice(
      0,
      2,
    )) {
      const before = round(pairOf(agent, zone).base_ms + 0.1, 2);
      add('regression', number(agent, zone), 'p50', agent, zone, {
        state,
        regressed_at: iso(regressed_s),
        fired_at: iso(regressed_s + 6 * MINUTE_S),
        resolved_at: state === 'resolved' ? iso(over_s + KEEP_S) : null,
        ending: state === 'resolved' ? 'recovered' : null,
        value: round(before + 8, 2),
        before,
        unit: 'ms',
        suppressed: true,
        incident: 'incident:1:network',
        windows: windowsOf(regressed_s, Math.min(over_s, evaluated_s)),
      });
    }
  }
  const [slow, lossy, quiet] = ['madrid-telefonica', 'lyon-free', 'nice-bouygues'].map((id) =>
    AGENTS.find((one) => one.agent === id),
  );
  const paris = ZONES.find((one) => one.metro === 'Paris');
  const since = (minutes, what) => ({
    regressed_at: iso(now_s - minutes * MINUTE_S),
    windows: windowsOf(now_s - minutes * MINUTE_S, evaluated_s),
    ...what,
  });
  const value = round(pairOf(slow, paris).base_ms + 9, 1);
  add('paris-slow', number(slow, paris), 'p99', slow, paris, {
    ...since(190, { state: 'firing', fired_at: iso(now_s - 185 * MINUTE_S) }),
    value,
    before: round(value - 4, 0),
    unit: 'ms',
  });
  add('regression', number(lossy, paris), 'loss', lossy, paris, {
    ...since(4, { state: 'pending' }),
    value: 3.1,
    before: 0.09,
    unit: 'percent',
  });
  add('silent', number(quiet, paris), 'absence', quiet, paris, {
    ...since(42, { state: 'firing', fired_at: iso(now_s - 37 * MINUTE_S) }),
    value: 42 * MINUTE_S,
    before: 300,
    unit: 's',
    acknowledged: { by: 'Camille', comment: 'the box is being moved', at: iso(now_s - 20 * MINUTE_S) },
  });
  return { alerts, evaluated_s };
}

/** One memory of what was acknowledged and silenced. */
export function makeAlerts() {
  const acknowledged = new Map();
  const silences = new Map();
  let next = 1;

  const stateOf = (silence, now_s) =>
    iso(now_s) < silence.from ? 'pending' : iso(now_s) < silence.until ? 'active' : 'expired';
  const covers = (silence, alert) =>
    (silence.rule === null || silence.rule === alert.rule) &&
    Object.entries(silence.select).every(([label, values]) => values.includes(alert.series[label]));
  function now(now_s) {
    const { alerts, evaluated_s } = planted(now_s);
    for (const alert of alerts) {
      alert.acknowledged = acknowledged.get(alert.id) ?? alert.acknowledged;
      alert.silenced = [...silences.values()].some(
        (silence) => stateOf(silence, now_s) === 'active' && covers(silence, alert),
      );
    }
    return { alerts, evaluated_s };
  }

  return {
    alerts(query, now_s) {
      const { alerts, evaluated_s } = now(now_s);
      const states = query.getAll('state');
      const is = (name, value) => !query.has(name) || query.get(name) === value;
      const chosen = alerts.filter(
        (one) =>
          (states.length === 0 || states.includes(one.state)) &&
          is('rule', one.rule) &&
          is('id', one.id) &&
          is('agent', one.series.agent) &&
          is('zone', one.series.zone),
      );
      return {
        now: iso(now_s),
        evaluated_to: iso(evaluated_s),
        watched_series: AGENTS.length * ZONES.length * 2,
        total: chosen.length,
        alerts: chosen.slice(0, Number(query.get('limit') ?? 1000)),
      };
    },
    /** The hourly step is one incident: everything to the region is slower for the vantage points of one network. */
    incidents(query, now_s) {
      const { alerts, evaluated_s } = now(now_s);
      const members = alerts.filter((one) => one.incident !== null);
      const states = query.getAll('state');
      const [first] = members;
      const middle = (of) => members.map(of).sort((x, y) => x - y)[members.length >> 1];
      const incident = first && {
        id: first.incident,
        culprit: { label: 'network', value: first.series.network, sickness: null },
        kinds: ['delay'],
        state: first.state,
        since: first.since,
        regressed_at: first.regressed_at,
        fired_at: first.fired_at,
        resolved_at: first.resolved_at,
        ending: first.ending,
        severity: 'warning',
        episode: 1,
        told: true,
        silenced: false,
        acknowledged: null,
        evidence: {
          gain: 61.4,
          heard: members.length + 3,
          worse: members.length,
          before: middle((one) => one.before),
          value: middle((one) => one.value),
          unit: 'ms',
        },
        members: members.map((one) => ({
          kind: 'delay',
          rule: one.rule,
          score: 6.2,
          series: one.series,
          before: one.before,
          value: one.value,
          unit: one.unit,
        })),
        alerts: members.map((one) => one.id),
        vetoed: { 'geneva-swisscom': 'clock' },
      };
      const incidents =
        incident && (states.length === 0 || states.includes(incident.state)) ? [incident] : [];
      return { now: iso(now_s), evaluated_to: iso(evaluated_s), total: incidents.length, incidents };
    },
    rules(_, now_s) {
      const { alerts } = now(now_s);
      return {
        rules: RULES.map(([name, condition, severity, select, except]) => ({
          name,
          condition,
          severity,
          route: severity === 'critical' ? 'on-call' : 'default',
          for_s: condition === 'threshold' ? 300 : 0,
          keep_firing_for_s: KEEP_S,
          select,
          except,
          open: alerts.filter(
            (one) => one.rule === name && (one.state === 'firing' || one.state === 'recovering'),
          ).length,
        })),
        maintenance: [{ name: 'nights', open: false, select: { provider: ['aws'] }, rules: ['paris-slow'] }],
      };
    },
    silences(_, now_s) {
      return {
        silences: [...silences.values()].map((one) => ({ ...one, state: stateOf(one, now_s) })),
      };
    },
    /** A change by method and path; `null` when there is none such. */
    change(method, pathname, body, now_s) {
      const id = /^\/api\/v1\/alerts\/([^/]+)\/acknowledge$/.exec(pathname)?.[1];
      if (method === 'POST' && id !== undefined) {
        const alert = now(now_s).alerts.find((one) => one.id === decodeURIComponent(id));
        if (!alert)
          return [404, { title: 'Not found', status: 404, reason: 'unknown_alert', detail: 'no such alert' }];
        acknowledged.set(alert.id, { by: body.by, comment: body.comment ?? '', at: iso(now_s) });
        return [200, { ...alert, acknowledged: acknowledged.get(alert.id) }];
      }
      if (method === 'POST' && pathname === '/api/v1/silences') {
        const { select = {}, rule = null, until, by, comment = '', from = iso(now_s) } = body;
        const silence = { id: next, select, rule, from, until, by, comment };
        silences.set(next, silence);
        next += 1;
        return [201, { ...silence, state: stateOf(silence, now_s) }];
      }
      const silence = /^\/api\/v1\/silences\/(\d+)$/.exec(pathname)?.[1];
      if (method === 'DELETE' && silence !== undefined) {
        return silences.delete(Number(silence))
          ? [204, null]
          : [404, { status: 404, reason: 'unknown_silence', detail: 'no such silence' }];
      }
      return null;
    },
  };
}
