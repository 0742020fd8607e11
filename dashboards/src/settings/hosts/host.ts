// What a new host is told: the address it reaches the collector at, and one command that installs the agent, joins and starts it, as
// docs/fleet.md and docs/operations.md have it. Pure. The token goes in by a here-document, so that no list of processes shows it.

import type { Agent, Zone } from '../../api/model.ts';

export interface Place {
  city: string;
  country: string;
  network: string;
  latitude: string;
  longitude: string;
}

/** The port for agents, where the collector has one. */
export interface Door {
  port: number;
  is_pinned: boolean;
}

export const HOUR_MS = 3_600_000;
export const LIVES = [1, 24, 168, 720] as const;

/** As the collector takes it: 1 to 48 lower-case letters, digits and hyphens, no hyphen first or last. */
export function isSite(site: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/.test(site);
}

/** Where hosts most likely reach the collector whose page is open at `origin`. */
export function addressFor(origin: string, door: Door | null): string {
  if (door === null) return origin;
  const host = new URL(origin).hostname;
  return `https://${host}:${door.port}`;
}

/** Whether somebody on the way could read what is said to `address`. */
export function isExposed(address: string): boolean {
  let url;
  try {
    url = new URL(address);
  } catch {
    return false; // the collector says what is wrong with it
  }
  const { hostname } = url;
  return (
    url.protocol === 'http:' &&
    hostname !== 'localhost' &&
    hostname !== '[::1]' &&
    !/^127(\.\d+){3}$/.test(hostname)
  );
}

/** Whether TLS at `address` ends at the collector's own door; elsewhere a proxy ends it, and its certificate is the system's to judge. */
export function isAtDoor(address: string, door: Door | null): boolean {
  if (door === null) return false;
  try {
    const url = new URL(address);
    return url.protocol === 'https:' && (url.port === '' ? 443 : Number(url.port)) === door.port;
  } catch {
    return false;
  }
}

/** Where a city is, when an agent or a zone stands there already. */
export function placeOf(
  city: string,
  agents: Agent[],
  zones: Zone[],
): { country: string; latitude: string; longitude: string } | null {
  const wanted = city.trim().toLowerCase();
  const known = [
    ...agents.map((agent) => agent.vantage_point),
    ...zones.map(({ city, country, latitude, longitude }) => ({ city, country, latitude, longitude })),
  ].find((one) => one.city?.toLowerCase() === wanted && typeof one.latitude === 'number');
  if (known === undefined) return null;
  const digits = (degrees: number | null): string => (degrees ?? 0).toFixed(2);
  return {
    country: known.country ?? '',
    latitude: digits(known.latitude),
    longitude: digits(known.longitude),
  };
}

/** JSON's strings are TOML's basic strings. */
const quoted = (text: string): string => JSON.stringify(text.trim());
const number = (text: string): string => {
  const value = Number(text.replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) ? String(value) : '0';
};

/** From a fresh host to one that measures, in one paste. `plainHttp` names an address that is to be reached in the clear. */
export function joinCommand(token: string, place: Place, plainHttp: string | null): string {
  const identity = '/var/lib/azimuth-agent/identity.json';
  const inTheClear =
    plainHttp === null ? '' : `\n[collector]\nurl = ${quoted(plainHttp)}\nallow_plain_http = true\n`;
  return `sudo sh install.sh agent
sudo install -d -o azimuth-agent -m 0750 /var/lib/azimuth-agent
sudo -u azimuth-agent azimuth-agent join - ${plainHttp === null ? '' : '--allow-plain-http '}--identity ${identity} <<'TOKEN'
${token}
TOKEN
sudo tee /etc/azimuth/agent.toml >/dev/null <<'FILE'
identity = "${identity}"
${inTheClear}
[vantage_point]
name = ${quoted(`${place.city.trim()} (${place.network.trim()})`)}
country = ${quoted(place.country.toUpperCase())}
city = ${quoted(place.city)}
network = ${quoted(place.network)}
asn = 0
latitude = ${number(place.latitude)}
longitude = ${number(place.longitude)}

[spool]
directory = "/var/lib/azimuth-agent/spool"
FILE
sudo systemctl restart azimuth-agent`;
}
