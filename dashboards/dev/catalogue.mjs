// Facts about the fake collector's providers, in the shape of the collector's catalogue. Owners are those of the real catalogue;
// certifications are invented for the screens and say so. Not a source for anything.
import { ZONES } from './world.mjs';

const OWNERS = {
  alibaba: ['SG', 'CN'],
  aws: ['US', 'US'],
  gcp: ['US', 'US'],
  azure: ['US', 'US'],
  ovhcloud: ['FR', 'FR'],
  scaleway: ['FR', 'FR'],
  outscale: ['FR', 'FR'],
  ionos: ['DE', 'DE'],
  oracle: ['US', 'US'],
  exoscale: ['CH', 'AT'],
};
const qualification = (scheme, status, scope = '') => ({
  scheme,
  status,
  scope,
  as_of: '2026-11-23',
  confidence: 'guessed',
  source: 'invented for this stand-in',
});
const QUALIFICATIONS = {
  aws: [qualification('C5', 'held', 'commercial regions'), qualification('SecNumCloud', 'not held', 'all')],
  gcp: [qualification('C5', 'held')],
  ovhcloud: [qualification('SecNumCloud', 'held', 'some services'), qualification('HDS', 'held')],
  outscale: [qualification('SecNumCloud', 'held (3.2, IaaS)')],
  scaleway: [qualification('SecNumCloud', 'in progress')],
};

export function catalogue() {
  const providers = [...new Map(ZONES.map((zone) => [zone.provider, zone.provider_name]))];
  return {
    providers: providers.map(([provider, name]) => ({
      provider,
      name,
      operator_country: OWNERS[provider]?.[0] ?? null,
      parent_country: OWNERS[provider]?.[1] ?? null,
      countries_as_of: '2026-11-23',
      countries_confidence: 'guessed',
      countries_source: 'invented for this stand-in',
      qualifications: QUALIFICATIONS[provider] ?? [],
    })),
    zones: ZONES.map((zone) => ({
      zone: zone.zone,
      provider: zone.provider,
      region_name: zone.region_name,
      country: zone.country,
      city: zone.city,
      metro: zone.metro,
      coordinate_accuracy_km: zone.coordinate_accuracy_km,
      confidence: zone.provider === 'alibaba' ? 'guessed' : 'verified',
      as_of: '2026-11-23',
      source: 'invented for this stand-in',
      coordinate_source: 'invented for this stand-in',
    })),
    endpoints: [...new Map(ZONES.map((zone) => [`${zone.provider}/${zone.region}`, zone])).values()].map(
      (zone) => ({
        provider: zone.provider,
        region: zone.region,
        zone_id: null,
        host: `${zone.region.replaceAll('/', '-')}.${zone.provider}.example`,
        port: 443,
        granularity: 'region',
        methods: ['tcp_connect'],
        ownership: 'provider',
        consent: false,
        least_period_ms: 30_000,
        confidence: 'reported',
        as_of: '2026-11-23',
        source: 'invented for this stand-in',
      }),
    ),
  };
}
