// Tokens, hosts that joined and the plan, as the fake collector has them: enough to make, see and end. No secret here opens anything.
import { randomBytes } from 'node:crypto';
import { Refusal, iso, only } from './question.mjs';
import { AGENTS } from './world.mjs';

const HOUR_S = 3600;

/** A stateful fleet: what was made is listed, what was ended stays so. */
export function makeFleet() {
  const start_s = Math.floor(Date.now() / 1000);
  const join = [
    {
      id: 'mQ2vB8xk',
      site: 'brest',
      uses: 30,
      used: 28,
      made_s: start_s - HOUR_S,
      end_s: start_s + 20 * HOUR_S,
    },
    {
      id: 'aL7_pR3t',
      site: 'lille',
      uses: 1,
      used: 1,
      made_s: start_s - 90 * HOUR_S,
      end_s: start_s + HOUR_S,
    },
    {
      id: 'Zk41-dWq',
      site: 'paris',
      uses: 5,
      used: 2,
      made_s: start_s - 80 * HOUR_S,
      end_s: start_s - HOUR_S,
    },
  ];
  const joined = AGENTS.slice(0, 8).map(({ agent }, i) => ({
    agent,
    site: agent.split('-')[0],
    token: join[i % 3].id,
    joined_at: iso(start_s - (80 - i) * HOUR_S),
    revoked_at: null,
    copied: i === 5 ? 2 : 0,
    copied_at: i === 5 ? iso(start_s - HOUR_S) : null,
  }));
  const api = [
    { name: 'grafana', role: 'read', made_s: start_s - 700 * HOUR_S, end_s: start_s + 8000 * HOUR_S },
    { name: 'on-call@chat', role: 'operate', made_s: start_s - 900 * HOUR_S, end_s: null },
  ];

  const state = (one, now_s) => {
    if (one.revoked_s !== undefined) return 'revoked';
    if (now_s >= one.end_s) return 'expired';
    return one.used >= one.uses ? 'used_up' : 'open';
  };
  const told = (one, now_s) => ({
    id: one.id,
    site: one.site,
    state: state(one, now_s),
    uses: one.uses,
    uses_left: one.uses - one.used,
    made_at: iso(one.made_s),
    expires_at: iso(one.end_s),
    revoked_at: one.revoked_s === undefined ? null : iso(one.revoked_s),
  });
  const problem = (status, reason, detail) => [
    status,
    { type: 'about:blank', title: '', status, reason, detail },
  ];

  return {
    routes: {
      'fleet/tokens': (query, now_s) => {
        only(query, []);
        return {
          now: iso(now_s),
          tokens: [...join].reverse().map((one) => told(one, now_s)),
          left_out: 0,
          door: { port: 8361, is_pinned: true },
        };
      },
      'fleet/agents': (query) => {
        only(query, []);
        return { agents: joined };
      },
      'fleet/plan': (query) => {
        only(query, []);
        return {
          is_configured: true,
          version: 1_795_428_000_000,
          changed_at: iso(1_795_428_000),
          is_stopped: false,
          signed_by: 'q2vB8xkYm1Zk41dWqaL7pR3tq2vB8xkYm1Zk41dWqaI',
          entries: [
            {
              name: 'stamp',
              agents: 'country=FR',
              zones: 'country=FR,country=BE,country=DE',
              method: 'stamp',
              period_ms: 1000,
              addresses: 14,
              need_consent: 0,
              agents_chosen: 5,
            },
            {
              name: 'public',
              agents: 'all',
              zones: '',
              method: 'tcp_connect',
              period_ms: 30_000,
              addresses: 61,
              need_consent: 4,
              agents_chosen: 8,
            },
          ],
          agents: joined.filter((one) => one.revoked_at === null).length,
          agents_running: 6,
          agents_refusing: 1,
        };
      },
      'api-tokens': (query, now_s) => {
        only(query, []);
        return {
          needs_administrator: false,
          tokens: api.map((one) => ({
            name: one.name,
            role: one.role,
            made_at: iso(one.made_s),
            expires_at: one.end_s === null ? null : iso(one.end_s),
            is_expired: one.end_s !== null && one.end_s <= now_s,
          })),
        };
      },
    },
    /** The status and body of a change, null when it is none of the fleet's. */
    change(method, path, body, now_s) {
      const named = decodeURIComponent(path.split('/').at(-1));
      if (method === 'POST' && path === '/api/v1/fleet/tokens') {
        if (!/^[a-z0-9][a-z0-9-]*$/.test(body.site))
          throw new Refusal('token_wrong', `site "${body.site}" is wrong`);
        const id = randomBytes(6).toString('base64url');
        const one = {
          id,
          site: body.site,
          uses: body.uses,
          used: 0,
          made_s: now_s,
          end_s: now_s + body.ttl_ms / 1000,
        };
        join.push(one);
        return [201, { token: `azimuth1.${randomBytes(90).toString('base64url')}`, entry: told(one, now_s) }];
      }
      if (method === 'DELETE' && path.startsWith('/api/v1/fleet/tokens/')) {
        const one = join.find(({ id }) => id === named);
        if (one === undefined) return problem(404, 'token_unknown', 'there is no such token');
        one.revoked_s = now_s;
        return [204, null];
      }
      if (method === 'DELETE' && path.startsWith('/api/v1/fleet/agents/')) {
        const one = joined.find(({ agent }) => agent === named);
        if (one === undefined) return problem(404, 'agent_unknown', 'no agent of this name has joined');
        one.revoked_at = iso(now_s);
        return [204, null];
      }
      if (method === 'POST' && path === '/api/v1/api-tokens') {
        if (api.some(({ name }) => name === body.name))
          return problem(
            400,
            'api_token_wrong',
            `there is a token ${body.name} already; revoke it, or take another name`,
          );
        api.push({
          name: body.name,
          role: body.role,
          made_s: now_s,
          end_s: body.ttl_ms === null ? null : now_s + body.ttl_ms / 1000,
        });
        return [201, { token: `azt_${randomBytes(32).toString('hex')}`, name: body.name }];
      }
      if (method === 'DELETE' && path.startsWith('/api/v1/api-tokens/')) {
        const at = api.findIndex(({ name }) => name === named);
        if (at < 0) return problem(404, 'unknown_api_token', `there is no token ${named}`);
        api.splice(at, 1);
        return [204, null];
      }
      return null;
    },
  };
}
