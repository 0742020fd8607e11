// Synthetic throughput tests of the fake collector: a pure function of pair and time, so that two runs show the same picture.
// Every pair but those of one agent is tested about every three hours in each direction; most rates settle, some tests are cut, a few fail.
import { hash, pairOf } from './world.mjs';

const EVERY_S = 3 * 3600;
const iso = (unix_s) => new Date(unix_s * 1000).toISOString().replace('.000Z', 'Z');
/** Download of the access, Mbit/s. */
const ACCESS_MBIT = [94, 280, 420, 610, 890, 940];

function testOf(agent, zone, direction, slot) {
  const draw = hash(agent.agent, zone.zone, direction, slot);
  const at_s = slot * EVERY_S + (hash(agent.agent, zone.zone, direction) % EVERY_S);
  const fate = draw % 100;
  const access = ACCESS_MBIT[hash(agent.agent, 'access') % ACCESS_MBIT.length];
  const { base_ms } = pairOf(agent, zone);
  const bare = (direction === 'download' ? access : access * 0.35) / (1 + base_ms / 60);
  const failed = fate < 4;
  const cut = !failed && fate < 18;
  const lossy = cut && fate < 8;
  const bps = failed ? null : Math.round(bare * 1e6 * (0.94 + ((draw >>> 8) % 100) / 1200) * (cut ? 0.7 : 1));
  const idle_us = Math.round(base_ms * 1000);
  const loaded_us = idle_us + 800 + ((draw >>> 12) % 22_000);
  const phase = (p50_us, n) => ({
    sent: n,
    lost: 0,
    n,
    p50_us: n === 0 ? null : p50_us,
    p95_us: n === 0 ? null : Math.round(p50_us * 1.2),
    p99_us: n === 0 ? null : Math.round(p50_us * 1.4),
  });
  return {
    at: iso(at_s),
    at_s,
    target: zone.zone_id,
    address: '192.0.2.1:8621',
    direction,
    reading: failed ? 'failed' : cut ? 'lower_bound' : 'estimate',
    bps,
    stop: failed ? 'refused' : cut ? (lossy ? 'losses' : 'byte_cap') : 'stable',
    bytes: failed ? 0 : Math.round((bps / 8) * 0.9),
    duration_us: failed ? 0 : 900_000,
    congestion_control: failed ? null : lossy ? 'cubic' : 'bbr',
    retransmitted_bytes: failed ? null : lossy ? 4_344 : 0,
    min_rtt_us: failed ? null : idle_us,
    limited_by: failed ? null : 'network',
    clock: 'kernel',
    idle: phase(idle_us, 20),
    loaded: phase(loaded_us, failed ? 0 : 18),
    drained: phase(idle_us, failed ? 0 : 10),
    added_delay_us: failed ? null : loaded_us - idle_us,
    responsiveness_rpm: failed ? null : Math.round(60_000_000 / loaded_us),
  };
}

/** The tests of a pair, oldest first. */
export function testsOf(agent, zone, from_s, to_s) {
  if (agent.agent === 'luxembourg-post') return [];
  const found = [];
  for (let slot = Math.floor(from_s / EVERY_S) - 1; slot <= Math.floor(to_s / EVERY_S); slot += 1)
    for (const direction of ['download', 'upload']) {
      const test = testOf(agent, zone, direction, slot);
      if (test.at_s >= from_s && test.at_s < to_s) found.push(test);
    }
  return found.sort((a, b) => a.at_s - b.at_s).map(({ at_s: _, ...test }) => test);
}

/** Of each direction the newest that did not fail. */
export function newestOf(agent, zone, from_s, to_s) {
  const tests = testsOf(agent, zone, from_s, to_s);
  return ['download', 'upload'].flatMap((direction) => {
    const own = tests.filter((test) => test.direction === direction);
    if (own.length === 0) return [];
    const one = own.findLast((test) => test.reading !== 'failed') ?? own.at(-1);
    const { reading, bps, at, congestion_control, added_delay_us } = one;
    return {
      agent: agent.agent,
      zone: zone.zone,
      direction,
      reading,
      bps,
      at,
      congestion_control,
      added_delay_us,
      tests: own.length,
      failed: own.filter((test) => test.reading === 'failed').length,
    };
  });
}
