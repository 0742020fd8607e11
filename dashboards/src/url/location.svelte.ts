// The address bar as reactive state: the rim around state.ts. One instance; every screen derives what it shows from it.

import { changeQuery, formatQuery, readState, screenOf, type Changes, type ViewState } from './state.ts';

class Location {
  #pathname = $state(window.location.pathname);
  #search = $state(window.location.search);

  readonly query: URLSearchParams = $derived(new URLSearchParams(this.#search));
  readonly screen = $derived(screenOf(this.#pathname));
  readonly view: ViewState = $derived(readState(this.screen, this.query));

  constructor() {
    window.addEventListener('popstate', () => this.#read());
  }

  #read(): void {
    this.#pathname = window.location.pathname;
    this.#search = window.location.search;
  }

  /** Goes to an address of this application. `replace` is for changes not worth a step of the back button. */
  go(href: string, options: { replace?: boolean } = {}): void {
    const before = window.location.pathname;
    if (options.replace) window.history.replaceState(null, '', href);
    else window.history.pushState(null, '', href);
    this.#read();
    if (this.#pathname === before) return;
    // A new screen begins at its top, for the eye and for the next Tab alike.
    window.scrollTo(0, 0);
    document.getElementById('main')?.focus({ preventScroll: true });
  }

  /** The address of this screen with some parameters changed. */
  with(changes: Changes): string {
    return this.#pathname + formatQuery(changeQuery(this.query, changes));
  }

  change(changes: Changes, options: { replace?: boolean } = {}): void {
    this.go(this.with(changes), options);
  }
}

export const location = new Location();

/** Follows clicks on plain links within the application; modified clicks keep their browser meaning. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = (event.target as Element | null)?.closest('a');
  if (!anchor || anchor.hasAttribute('download') || anchor.getAttribute('target')) return;
  const href = anchor.getAttribute('href');
  if (href === null || !href.startsWith('/') || href.startsWith('/api/')) return;
  event.preventDefault();
  location.go(href);
}
