import { describe, expect, it } from 'vitest';
import { actionOf } from './keys.ts';

const press = (key: string, more = {}) => ({
  key,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  typing: false,
  ...more,
});

describe('single keys', () => {
  it('open the sheet, go to a screen, choose the number shown', () => {
    expect(actionOf(press('?'), true)).toEqual({ sheet: 'keys' });
    expect(actionOf(press('e'), true)).toEqual({ sheet: 'export' });
    expect(actionOf(press('x'), true)).toEqual({ go: '/matrix' });
    expect(actionOf(press('3'), true)).toEqual({ metric: 'p99' });
    expect(actionOf(press('6'), true)).toEqual({ metric: 'up' });
    for (const key of ['7', '0', 'q', 'Enter', 'constructor', 'M'])
      expect(actionOf(press(key), true)).toBeNull();
  });

  it('do nothing while one types, with a modifier of the browser, or when turned off', () => {
    for (const held of ['typing', 'ctrlKey', 'altKey', 'metaKey'])
      expect(actionOf(press('?', { [held]: true }), true)).toBeNull();
    expect(actionOf(press('?'), false)).toBeNull();
  });
});
