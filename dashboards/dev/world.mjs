// The synthetic world of the fake collector: vantage points, zones, and a delay for any probe at any instant.
// Everything is a pure function of (pair, time), so two runs show the same picture and nothing is stored.
// Not a model of the Internet: distances and access delays are plausible, the incidents are planted.

/** 22 vantage points: id, city, country, latitude, longitude, network, ASN, access delay in ms. */
const AGENT_ROWS = [
  ['paris-free', 'Paris', 'FR', 48.86, 2.35, 'Free', 12322, 1.1],
  ['paris-orange', 'Paris', 'FR', 48.85, 2.33, 'Orange', 3215, 1.9],
  ['lyon-free', 'Lyon', 'FR', 45.76, 4.84, 'Free', 12322, 1.4],
  ['marseille-sfr', 'Marseille', 'FR', 43.3, 5.37, 'SFR', 15557, 1.9],
  ['toulouse-bouygues', 'Toulouse', 'FR', 43.6, 1.44, 'Bouygues Telecom', 5410, 2.2],
  ['bordeaux-orange', 'Bordeaux', 'FR', 44.84, -0.58, 'Orange', 3215, 1.6],
  ['nantes-free', 'Nantes', 'FR', 47.22, -1.55, 'Free', 12322, 1.5],
  ['brest-orange', 'Brest', 'FR', 48.39, -4.49, 'Orange', 3215, 1.8],
  ['lille-sfr', 'Lille', 'FR', 50.63, 3.07, 'SFR', 15557, 1.3],
  ['strasbourg-orange', 'Strasbourg', 'FR', 48.57, 7.75, 'Orange', 3215, 1.7],
  ['nice-bouygues', 'Nice', 'FR', 43.7, 7.27, 'Bouygues Telecom', 5410, 2.4],
  ['clermont-orange', 'Clermont-Ferrand', 'FR', 45.78, 3.08, 'Orange', 3215, 2.0],
  ['brussels-proximus', 'Brussels', 'BE', 50.85, 4.35, 'Proximus', 5432, 1.5],
  ['luxembourg-post', 'Luxembourg', 'LU', 49.61, 6.13, 'POST Luxembourg', 6661, 1.2],
  ['frankfurt-dtag', 'Frankfurt', 'DE', 50.11, 8.68, 'Deutsche Telekom', 3320, 1.6],
  ['geneva-swisscom', 'Geneva', 'CH', 46.2, 6.14, 'Swisscom', 3303, 1.4],
  ['zurich-init7', 'Zurich', 'CH', 47.38, 8.54, 'Init7', 13030, 0.7],
  ['milan-tim', 'Milan', 'IT', 45.46, 9.19, 'TIM', 3269, 2.1],
  ['madrid-telefonica', 'Madrid', 'ES', 40.42, -3.7, 'Telefonica', 3352, 2.0],
  ['barcelona-orange', 'Barcelona', 'ES', 41.39, 2.17, 'Orange Espagne', 12479, 2.3],
  ['monaco-telecom', 'Monaco', 'MC', 43.74, 7.43, 'Monaco Telecom', 6758, 1.6],
  ['london-bt', 'London', 'GB', 51.51, -0.13, 'BT', 2856, 2.2],
];

/** 36 zones: provider, provider name, region, region name, zones, country, city, metro, latitude, longitude. */
const ZONE_ROWS = [
  [
    'alibaba',
    'Alibaba Cloud',
    'eu-west-2',
    'France (Paris)',
    'eu-west-2a eu-west-2b',
    'FR',
    'Paris',
    'Paris',
    48.8566,
    2.3522,
  ],
  [
    'aws',
    'AWS',
    'eu-west-3',
    'Europe (Paris)',
    'euw3-az1 euw3-az2 euw3-az3',
    'FR',
    'Paris',
    'Paris',
    48.8575,
    2.3514,
  ],
  [
    'gcp',
    'Google Cloud',
    'europe-west9',
    'Paris',
    'europe-west9-a europe-west9-b europe-west9-c',
    'FR',
    'Paris',
    'Paris',
    48.8566,
    2.3522,
  ],
  [
    'azure',
    'Microsoft Azure',
    'francecentral',
    'France Central',
    'francecentral-az1 francecentral-az2 francecentral-az3',
    'FR',
    'Paris',
    'Paris',
    48.8567,
    2.3515,
  ],
  [
    'ovhcloud',
    'OVHcloud',
    'eu-west-par',
    'Paris',
    'eu-west-par-a eu-west-par-b eu-west-par-c',
    'FR',
    'Paris',
    'Paris',
    48.8574,
    2.3503,
  ],
  [
    'scaleway',
    'Scaleway',
    'fr-par',
    'Paris',
    'fr-par-1 fr-par-2 fr-par-3',
    'FR',
    'Paris',
    'Paris',
    48.8566,
    2.3522,
  ],
  ['outscale', 'Outscale', 'eu-west-2', 'Paris', 'PAR1 PAR4', 'FR', 'Paris', 'Paris', 48.8566, 2.3522],
  ['ionos', 'IONOS', 'fr/par', 'Paris', 'fr/par', 'FR', 'Paris', 'Paris', 48.8566, 2.3522],
  [
    'ovhcloud',
    'OVHcloud',
    'eu-west-gra',
    'Gravelines',
    'eu-west-gra',
    'FR',
    'Gravelines',
    'Gravelines',
    50.9871,
    2.1255,
  ],
  [
    'ovhcloud',
    'OVHcloud',
    'eu-west-rbx',
    'Roubaix',
    'eu-west-rbx',
    'FR',
    'Roubaix',
    'Lille',
    50.6927,
    3.1778,
  ],
  [
    'ovhcloud',
    'OVHcloud',
    'eu-west-sbg',
    'Strasbourg',
    'eu-west-sbg',
    'FR',
    'Strasbourg',
    'Strasbourg',
    48.5734,
    7.7521,
  ],
  [
    'oracle',
    'Oracle Cloud',
    'eu-marseille-1',
    'Marseille',
    'eu-marseille-1-ad-1',
    'FR',
    'Marseille',
    'Marseille',
    43.2965,
    5.3698,
  ],
  [
    'gcp',
    'Google Cloud',
    'europe-west1',
    'Belgium',
    'europe-west1-b',
    'BE',
    'St. Ghislain',
    'Mons',
    50.4663,
    3.8581,
  ],
  [
    'aws',
    'AWS',
    'eu-central-1',
    'Europe (Frankfurt)',
    'euc1-az1 euc1-az2',
    'DE',
    'Frankfurt',
    'Frankfurt',
    50.1109,
    8.6821,
  ],
  [
    'alibaba',
    'Alibaba Cloud',
    'eu-central-1',
    'Germany (Frankfurt)',
    'eu-central-1a',
    'DE',
    'Frankfurt',
    'Frankfurt',
    50.1109,
    8.6821,
  ],
  [
    'gcp',
    'Google Cloud',
    'europe-west3',
    'Frankfurt',
    'europe-west3-a',
    'DE',
    'Frankfurt',
    'Frankfurt',
    50.1239,
    8.9713,
  ],
  ['aws', 'AWS', 'eu-west-2', 'Europe (London)', 'euw2-az1', 'GB', 'London', 'London', 51.5072, -0.1276],
  [
    'azure',
    'Microsoft Azure',
    'uksouth',
    'UK South',
    'uksouth-az1',
    'GB',
    'London',
    'London',
    51.5073,
    -0.1276,
  ],
  [
    'azure',
    'Microsoft Azure',
    'westeurope',
    'West Europe',
    'westeurope-az1',
    'NL',
    'Amsterdam area',
    'Amsterdam',
    52.7571,
    5.037,
  ],
  ['exoscale', 'Exoscale', 'ch-gva-2', 'Geneva', 'ch-gva-2', 'CH', 'Geneva', 'Geneva', 46.2044, 6.1432],
  ['aws', 'AWS', 'eu-south-1', 'Europe (Milan)', 'eus1-az1', 'IT', 'Milan', 'Milan', 45.4685, 9.1824],
  [
    'gcp',
    'Google Cloud',
    'europe-southwest1',
    'Madrid',
    'europe-southwest1-a',
    'ES',
    'Madrid',
    'Madrid',
    40.4168,
    -3.7038,
  ],
  ['aws', 'AWS', 'eu-west-1', 'Europe (Ireland)', 'euw1-az1', 'IE', 'Dublin', 'Dublin', 53.3498, -6.2603],
];

/** Percent-encodes only `/` and `%` inside one id, as the wire name asks. */
const encodeId = (id) => id.replaceAll('%', '%25').replaceAll('/', '%2F');

export const AGENTS = AGENT_ROWS.map(
  ([agent, city, country, latitude, longitude, network, asn, access_ms]) => ({
    agent,
    access_ms,
    vantage_point: { name: `${city} (${network})`, country, city, network, asn, latitude, longitude },
  }),
);

export const ZONES = ZONE_ROWS.flatMap(
  ([provider, provider_name, region, region_name, zones, country, city, metro, latitude, longitude]) =>
    zones.split(' ').map((zone_id) => ({
      zone: [provider, region, zone_id].map(encodeId).join('/'),
      provider,
      provider_name,
      region,
      region_name,
      zone_id,
      country,
      city,
      metro,
      latitude,
      longitude,
      coordinate_accuracy_km: metro === 'Amsterdam' ? 30 : 15,
      methods: ['stamp', 'tcp_connect'],
    })),
);

/** A small integer hash: the same words give the same number on every machine. */
export function hash(...words) {
  let h = 0x811c9dc5;
  for (const word of words) {
    const text = String(word);
    for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  }
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Mulberry32: a stream of numbers in [0, 1) from one seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const RADIANS = Math.PI / 180;
function distanceKm(a, b) {
  const dLat = (b.latitude - a.latitude) * RADIANS;
  const dLon = (b.longitude - a.longitude) * RADIANS;
  const s =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(a.latitude * RADIANS) * Math.cos(b.latitude * RADIANS) * Math.sin(dLon / 2) ** 2;
  return 2 * 6371.009 * Math.asin(Math.sqrt(s));
}

const pairs = new Map();
export function pairOf(agent, zone) {
  const key = `${agent.agent} ${zone.zone}`;
  let pair = pairs.get(key);
  if (!pair) {
    const draw = random(hash(key));
    const km = distanceKm(agent.vantage_point, zone);
    const pathFactor = 1.35 + draw() * 0.55;
    const base_ms = km * 0.00979 * pathFactor + agent.access_ms + 0.25 + draw() * 0.9;
    pair = { base_ms, second_path_ms: draw() < 0.35 ? 0.8 + draw() * 1.8 : 0, seed: hash(key, 'samples') };
    pairs.set(key, pair);
  }
  return pair;
}

export const INTERVAL_S = 10;
const minuteOf = (unix_s) => (unix_s / 60) % 60;

/** The planted incidents, every hour at the same minute, so that a live screen always has something to show. */
const regressed = (agent, zone, m) =>
  agent.vantage_point.network === 'Orange' &&
  zone.provider === 'aws' &&
  zone.region === 'eu-west-3' &&
  m >= 20 &&
  m < 46;
const congested = (agent, m) => agent.agent === 'lyon-free' && m >= 30 && m < 41;
const dead = (zone, m) => zone.region === 'eu-west-sbg' && m >= 5 && m < 8;
export const queueGap = (agent, m) =>
  ['brest-orange', 'milan-tim', 'paris-free'].includes(agent.agent) && m >= 12 && m < 14;

/** Agents that are not well: one stopped for good, one fell silent two minutes ago. */
export function silentSince(agent, now_s) {
  if (agent.agent === 'nice-bouygues') return now_s - 42 * 60;
  if (agent.agent === 'barcelona-orange') return now_s - 130;
  return null;
}

/** What one series saw in one interval: null where nothing was reported. */
export function intervalOf(agent, zone, method, start_s, now_s) {
  const minute = minuteOf(start_s);
  if (queueGap(agent, minute)) return null;
  const stopped = silentSince(agent, now_s);
  if (stopped !== null && start_s >= stopped) return null;
  if (start_s + INTERVAL_S + 2 > now_s) return null;
  const pair = pairOf(agent, zone);
  const draw = random(hash(pair.seed, method, start_s));
  const sent = method === 'stamp' ? 10 : 1;
  const delays_us = [];
  let lost = 0;
  for (let i = 0; i < sent; i += 1) {
    let delay_ms = pair.base_ms + (method === 'stamp' ? 0 : 0.18);
    if (draw() < 0.4) delay_ms += pair.second_path_ms;
    delay_ms += -Math.log(1 - draw()) * 0.09;
    if (draw() < 0.012) delay_ms += -Math.log(1 - draw()) * 11;
    let loss = 0.0009;
    if (regressed(agent, zone, minute)) delay_ms += 8;
    if (congested(agent, minute)) {
      delay_ms += -Math.log(1 - draw()) * 6.5;
      loss = 0.03;
    }
    if (dead(zone, minute)) loss = 1;
    if (draw() < loss) lost += 1;
    else delays_us.push(Math.round(delay_ms * 1000));
  }
  return { start_s, sent, lost, delays_us };
}
