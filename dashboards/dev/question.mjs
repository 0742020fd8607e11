// Reading a question to the fake collector as strictly as the real one does: times, names, labels that narrow. Refuses by name.
import { AGENTS, ZONES } from './world.mjs';

export class Refusal extends Error {
  constructor(reason, detail) {
    super(detail);
    this.reason = reason;
  }
}

export const iso = (unix_s) => new Date(unix_s * 1000).toISOString().replace('.000Z', 'Z');

export const UNIT_S = { s: 1, m: 60, h: 3600, d: 86400 };

export function instant(text, now_s) {
  if (text === 'now') return now_s;
  const relative = /^now-(\d+)([smhd])$/.exec(text);
  if (relative) return now_s - Number(relative[1]) * UNIT_S[relative[2]];
  const absolute = Date.parse(text);
  if (Number.isNaN(absolute))
    throw new Refusal('bad_time', `time ${text}: write 2026-11-23T10:00:00Z or now-1h`);
  return Math.floor(absolute / 1000);
}

export function only(query, allowed) {
  for (const name of query.keys()) {
    if (!allowed.includes(name)) {
      throw new Refusal(
        'unknown_parameter',
        `unknown parameter ${name}; allowed here: ${allowed.join(', ')}`,
      );
    }
  }
}

export function windowOf(query, now_s, fallback) {
  const to_s = instant(query.get('to') ?? 'now', now_s);
  const from_s = instant(query.get('from') ?? fallback, now_s);
  if (from_s >= to_s) throw new Refusal('empty_range', `from ${iso(from_s)} is not before to ${iso(to_s)}`);
  return { from_s, to_s };
}

export function pick(query) {
  const agent = AGENTS.find((one) => one.agent === query.get('agent'));
  const zone = ZONES.find((one) => one.zone === query.get('zone'));
  if (!agent) throw new Refusal('unknown_agent', `no agent named ${query.get('agent')}`);
  if (!zone) throw new Refusal('unknown_zone', `no zone named ${query.get('zone')}`);
  return { agent, zone };
}

export const NARROWING = ['agent', 'zone', 'city', 'country', 'network', 'provider', 'region', 'metro'];

/** The vantage points and zones that the labels of a question leave. */
export function narrowed(query) {
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
