import { expect, it } from 'vitest';
import { signInAddress, signInRefusal } from './sign_in.ts';

it('comes back to the page it began on, without the refusal before', () => {
  expect(signInAddress({ pathname: '/', search: '' })).toBe('/api/v1/oidc/login?return_to=%2F');
  const here = { pathname: '/matrix', search: '?metric=p99&sign_in=no_role' };
  expect(signInAddress(here)).toBe('/api/v1/oidc/login?return_to=%2Fmatrix%3Fmetric%3Dp99');
});

it('knows what was refused, and repeats nothing that is no word of ours', () => {
  const said = (query: string) => signInRefusal(new URLSearchParams(query));
  expect(said('')).toBeNull();
  expect(said('sign_in=no_role')?.key).toBe('sign_in_no_role');
  expect(said('sign_in=wrong_state')).toEqual({ key: 'sign_in_failed', reason: 'wrong_state' });
  expect(said('sign_in=<b>call+0123</b>')).toEqual({ key: 'sign_in_failed', reason: '?' });
});
