// Two letters for every provider, so that it is recognised without colour. Unknown ones get their first two letters.

const CODES: Record<string, string> = {
  alibaba: 'AL',
  aws: 'AW',
  'aws-eusc': 'AE',
  gcp: 'GC',
  azure: 'AZ',
  ovhcloud: 'OV',
  scaleway: 'SC',
  outscale: 'OS',
  oracle: 'OR',
  ibm: 'IB',
  hetzner: 'HE',
  exoscale: 'EX',
  ionos: 'IO',
  stackit: 'ST',
  otc: 'OT',
  clevercloud: 'CC',
  infomaniak: 'IK',
  upcloud: 'UP',
  digitalocean: 'DO',
  vultr: 'VU',
  akamai: 'AK',
  tencent: 'TE',
  huawei: 'HW',
  'flexible-engine': 'FE',
  s3ns: 'S3',
  wasabi: 'WA',
};

export function providerCode(provider: string): string {
  return (
    CODES[provider] ??
    (provider
      .replace(/[^a-z0-9]/gi, '')
      .slice(0, 2)
      .toUpperCase() ||
      '??')
  );
}
