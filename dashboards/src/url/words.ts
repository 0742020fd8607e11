// The closed lists of words that addresses are made of. Pure.

import type { components } from '../api/types.ts';

export const METRICS = ['p50', 'p90', 'p99', 'loss', 'down', 'up'] as const;
export type Metric = (typeof METRICS)[number];

export const LOADS = ['idle', 'self_load', 'post_load'] as const;

export const VERSUS = ['1h', '1d', '7d'] as const;
export type Versus = (typeof VERSUS)[number];

/** Every method there is, as the API names it; the compiler holds the list against the API. */
const METHOD_NAMES: Record<components['schemas']['MethodName'], true> = {
  stamp: true,
  icmp_echo: true,
  tcp_connect: true,
  tls_handshake: true,
  https_first_byte: true,
  dns_query: true,
};
export const METHODS = Object.keys(METHOD_NAMES);
