import { describe, expect, it } from 'vitest';
import type { CatalogueAnswer } from '../api/model.ts';
import { endpointsWith, zonesWith } from './catalogue.ts';
import { agentFile, isAgentName, isLocalOrigin } from './install.ts';

describe('the file of a new agent', () => {
  it('takes names the agent takes, and no other', () => {
    for (const name of ['a', 'brest-orange-1', 'x'.repeat(63)]) expect(isAgentName(name)).toBe(true);
    for (const name of ['', '-a', 'a-', 'Brest', 'a b', 'a"\nb', 'x'.repeat(64)])
      expect(isAgentName(name)).toBe(false);
  });

  it('delivers to where the page came from, and says when only this machine reaches that', () => {
    expect(agentFile('a', 'https://azimuth.example')).toContain('url = "https://azimuth.example"');
    expect(['http://localhost:8360', 'http://127.0.0.1:8360', 'http://[::1]:8360'].every(isLocalOrigin)).toBe(
      true,
    );
    expect(isLocalOrigin('https://127.example')).toBe(false);
  });
});

it('the catalogue is searched by words in any order, without accents', () => {
  const zone = {
    zone: 'aws/eu-west-3/euw3-az1',
    region_name: 'Île-de-France',
    country: 'FR',
    city: 'Paris',
    metro: 'Paris',
  };
  const endpoint = {
    provider: 'aws',
    region: 'eu-west-3',
    zone_id: null,
    host: 'ec2.example',
    methods: ['tcp_connect'],
  };
  const answer = { providers: [], zones: [zone], endpoints: [endpoint] } as unknown as CatalogueAnswer;
  expect(zonesWith(answer, 'ile aws').length).toBe(1);
  expect(zonesWith(answer, 'ile gcp').length).toBe(0);
  expect(endpointsWith(answer, 'tcp ec2').length).toBe(1);
});
