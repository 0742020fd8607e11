import { describe, expect, it } from 'vitest';
import type { Agent, Session, Zone } from '../../api/model.ts';
import { may } from '../rights.ts';
import { addressFor, isAtDoor, isExposed, isSite, joinCommand, placeOf } from './host.ts';

const place = { city: 'Brest', country: 'fr', network: 'Orange', latitude: '48,39', longitude: '-4.49' };
const door = { port: 8361, is_pinned: true };

describe('the address hosts are told', () => {
  it('is the door of agents where there is one, and otherwise where the page came from', () => {
    expect(addressFor('http://10.0.0.5:8360', door)).toBe('https://10.0.0.5:8361');
    expect(addressFor('http://[::1]:8360', door)).toBe('https://[::1]:8361');
    expect(addressFor('https://azimuth.example', null)).toBe('https://azimuth.example');
  });

  it('is at the door by its port alone, so that a proxy’s certificate is not taken for the collector’s', () => {
    expect(isAtDoor('https://azimuth.example:8361', door)).toBe(true);
    expect(isAtDoor('https://azimuth.example', door)).toBe(false);
    expect(isAtDoor('https://azimuth.example', { port: 443, is_pinned: true })).toBe(true);
    expect(isAtDoor('http://azimuth.example:8361', door)).toBe(false);
    expect(isAtDoor('https://azimuth.example:8361', null)).toBe(false);
    expect(isAtDoor('nonsense', door)).toBe(false);
  });

  it('is warned of when it is in the clear beyond this machine', () => {
    expect(['http://10.0.0.5', 'http://azimuth.example:8360'].every(isExposed)).toBe(true);
    expect(
      ['https://10.0.0.5', 'http://127.0.0.1:1', 'http://localhost', 'http://[::1]', 'unix:/x', ''].some(
        isExposed,
      ),
    ).toBe(false);
  });
});

describe('the command', () => {
  it('holds the token as input, never as an argument, and the file the agent takes', () => {
    const command = joinCommand('azimuth1.secret', place, null);
    expect(command.split('\n').filter((line) => line.includes('secret'))).toEqual(['azimuth1.secret']);
    expect(command).toContain('name = "Brest (Orange)"\ncountry = "FR"');
    expect(command).toContain('latitude = 48.39\nlongitude = -4.49');
    expect(command).not.toContain('allow');
  });

  it('says the address again where it is to be reached in the clear', () => {
    const command = joinCommand('t', place, 'http://10.0.0.5:8360');
    expect(command).toContain('join - --allow-plain-http --identity');
    expect(command).toContain('[collector]\nurl = "http://10.0.0.5:8360"\nallow_plain_http = true');
  });

  it('lets no name out of its quotes and no number be anything else', () => {
    const hostile = { ...place, city: 'x"\nFILE\nrm -rf ~', latitude: '$(id)' };
    const command = joinCommand('t', hostile, null);
    expect(command.split('\n').filter((line) => line === 'FILE').length).toBe(1);
    expect(command).toContain(String.raw`city = "x\"\nFILE\nrm -rf ~"`);
    expect(command).toContain('latitude = 0\n');
  });
});

it('a site is named as the collector takes it', () => {
  expect(['a', 'brest-2', 'x'.repeat(48)].every(isSite)).toBe(true);
  expect(['', '-a', 'a-', 'Brest', 'a b', 'x'.repeat(49)].some(isSite)).toBe(false);
});

it('a city is known by whoever stands there, whatever its case', () => {
  const agent = {
    vantage_point: { city: 'Brest', country: 'FR', latitude: 48.389, longitude: -4.486 },
  } as unknown as Agent;
  const zone = { city: 'Paris', country: 'FR', latitude: 48.86, longitude: 2.35 } as unknown as Zone;
  expect(placeOf(' brest', [agent], [zone])).toEqual({
    country: 'FR',
    latitude: '48.39',
    longitude: '-4.49',
  });
  expect(placeOf('Paris', [agent], [zone])?.longitude).toBe('2.35');
  expect(placeOf('', [agent], [{ ...zone, city: null } as Zone])).toBeNull();
});

it('each role may what the ones before may, and nobody nothing', () => {
  const session = (role: Session['role']): Session => ({ role }) as Session;
  expect(may(session('operate'), 'read')).toBe(true);
  expect(may(session('operate'), 'administer')).toBe(false);
  expect(may(session(null), 'read')).toBe(false);
  expect(may(null, 'read')).toBe(false);
});
