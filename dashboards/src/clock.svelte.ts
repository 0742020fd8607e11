// The one file that reads the clock. Everything else is handed the time, so that it can be tested on any day of the year.

let heldAtMs: number | null = null;

/** Unix milliseconds; the time of the snapshot while one is shown. */
export function nowMs(): number {
  return heldAtMs ?? Date.now();
}

/** From here on it is this time, for as long as the page is open. */
export function holdClock(atMs: number): void {
  heldAtMs = atMs;
}

/** The zone of this browser, by IANA name. */
export function localTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}
