// The file and the commands that add a vantage point, as docs/configuration.md has them. Pure. Nothing here is a secret, and no address
// is made up: what must be filled in says so.

/** As the agent's configuration takes it: 1 to 63 lower-case letters, digits and hyphens, no hyphen first or last. */
export function isAgentName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}

/** Whether an address reaches only the machine the page was opened on. */
export function isLocalOrigin(origin: string): boolean {
  const { hostname } = new URL(origin);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

export function agentFile(agent: string, origin: string): string {
  return `agent = "${agent}"

[collector]
url = "${origin}"

[vantage_point]                     # where this host stands, as people should read it
name = "City (Network)"
country = "FR"
city = "City"
network = "Network"
asn = 64496
latitude = 48.86
longitude = 2.35

[spool]
directory = "/var/lib/azimuth-agent/spool"

[[target]]                          # one for each zone
name = "a-zone"
provider = "aws"                    # ids as in the catalogue
region = "eu-west-3"
zone = "euw3-az1"
granularity = "zone"
address = "192.0.2.10"              # where the reflector of that zone answers

  [[target.probe]]
  method = "stamp"
  period_ms = 1000
`;
}

export interface Step {
  what: 'step_reflect' | 'step_check' | 'step_doctor' | 'step_run';
  command: string;
}

export const STEPS: readonly Step[] = [
  { what: 'step_reflect', command: 'azimuth-agent reflect --allow PREFIX' },
  { what: 'step_check', command: 'azimuth-agent config check agent.toml' },
  { what: 'step_doctor', command: 'azimuth-agent doctor --config agent.toml' },
  { what: 'step_run', command: 'azimuth-agent run --config agent.toml' },
];
