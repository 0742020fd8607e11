// What a single key does, wherever one is. Pure. Single keys can be turned off (WCAG 2.2, 2.1.4), and never act while a person
// types or holds a modifier that belongs to the browser.

import { METRICS, type Metric } from '../url/state.ts';

export type Action = { sheet: 'keys' | 'export' } | { go: string } | { metric: Metric };

/** Screens by their key, as the sheet shows them. */
export const SCREEN_KEYS: Record<string, string> = {
  m: '/',
  x: '/matrix',
  c: '/compare',
  a: '/alerts',
  s: '/status',
};

export interface Press {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  /** A field has the focus that takes letters. */
  typing: boolean;
}

export function actionOf(press: Press, on: boolean): Action | null {
  if (!on || press.typing || press.ctrlKey || press.altKey || press.metaKey) return null;
  if (press.key === '?') return { sheet: 'keys' };
  if (press.key === 'e') return { sheet: 'export' };
  const path = Object.hasOwn(SCREEN_KEYS, press.key) ? SCREEN_KEYS[press.key] : undefined;
  if (path !== undefined) return { go: path };
  const metric = /^[1-9]$/.test(press.key) ? METRICS[Number(press.key) - 1] : undefined;
  return metric === undefined ? null : { metric };
}

/** Whether letters typed now go into a field. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, select, textarea, [contenteditable]') !== null;
}
