// A stand-in for `azimuth-collector serve`: the built screens and synthetic API answers in the contract's shapes.
// For developing and testing the screens without the Rust side. Not a reference for the API: the collector's OpenAPI is.
// Usage: node dev/fake-collector.mjs [--port 8361] [--dist DIR]   (loopback only, no dependencies)
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeAlerts } from './alerts.mjs';
import { catalogue } from './catalogue.mjs';
import { makeFleet } from './fleet.mjs';
import { newestOf, testsOf } from './throughput.mjs';
import { NARROWING, Refusal, iso, narrowed, only, pick, windowOf } from './question.mjs';
import { series, paths, heatmap, distribution, explain } from './one_way.mjs';
import { agents, map, groups, compare } from './many_ways.mjs';
import { status } from './status.mjs';
import { ZONES } from './world.mjs';

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

const alerting = makeAlerts();
const fleet = makeFleet();
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
    sign_in_with: null,
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
  ...fleet.routes,
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
        const body = text === '' ? {} : JSON.parse(text);
        const changed =
          fleet.change(request.method, url.pathname, body, now_s) ??
          alerting.change(request.method, url.pathname, body, now_s);
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
      const route = /^\/api\/v1\/([\w/-]+)$/.exec(url.pathname)?.[1];
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
