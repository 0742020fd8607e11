// The one file that reads the clock. Everything else is handed the time, so that it can be tested on any day of the year.

/** Unix milliseconds. */
export function nowMs(): number {
  return Date.now();
}

/** The zone of this browser, by IANA name. */
export function localTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}
