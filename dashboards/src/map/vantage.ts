// Whose eyes one looks through: one vantage point, or all those of a city, a network, a country, or all there are. Pure. A group's
// numbers are of all delays of its vantage points together, so that one which probes twice as often weighs twice; the collector
// merges them, never this page.

import type { Agent, Cell, GroupsAnswer } from '../api/model.ts';
import type { Params } from '../api/client.ts';
import { groupBy } from '../group.ts';

export const SCOPES = ['country', 'network', 'city'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Group {
  scope: Scope | 'all';
  /** As the API takes it: `FR`, `AS3215`, `Paris`; empty for all. */
  value: string;
  agents: Agent[];
}

/** A network by its number, or by its name when the number is not known: what the API's filter takes. */
export function networkOf({ vantage_point: { asn, network } }: Agent): string {
  return asn > 0 ? `AS${asn}` : network;
}

function valueOf(agent: Agent, scope: Scope): string {
  return scope === 'network' ? networkOf(agent) : agent.vantage_point[scope];
}

/** The group an address names, `all` or `country:FR`; null when it names none, or one without a vantage point. */
export function readGroup(text: string | null, agents: readonly Agent[]): Group | null {
  if (text === null) return null;
  if (text === 'all') return { scope: 'all', value: '', agents: [...agents] };
  const at = text.indexOf(':');
  const scope = SCOPES.find((one) => one === text.slice(0, at));
  if (scope === undefined) return null;
  const value = text.slice(at + 1);
  const members = agents.filter((agent) => valueOf(agent, scope) === value);
  return members.length === 0 ? null : { scope, value, agents: members };
}

export function writeGroup(group: Pick<Group, 'scope' | 'value'>): string {
  return group.scope === 'all' ? 'all' : `${group.scope}:${group.value}`;
}

/** The groups of one kind that have more than one vantage point, largest first: one alone is chosen by itself. */
export function groupsOf(scope: Scope, agents: readonly Agent[]): Group[] {
  return [...groupBy(agents, (agent) => valueOf(agent, scope))]
    .filter(([, list]) => list.length > 1)
    .map(([value, list]) => ({ scope, value, agents: list }))
    .sort((a, b) => b.agents.length - a.agents.length || (a.value < b.value ? -1 : 1));
}

/** How the API is asked for it. */
export function paramsOf(group: Group): Params {
  return group.scope === 'all' ? {} : { [group.scope]: group.value };
}

/** Zones as a group sees them, in the form in which one vantage point sees them. */
export function cellsOf(answer: GroupsAnswer | null): Cell[] {
  return (answer?.groups ?? []).flatMap((row) => {
    const zone = row.labels['zone'];
    return zone == null ? [] : [{ ...row, agent: '', zone }];
  });
}
