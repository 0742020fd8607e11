// A moment as the tables of the settings print it: day, time and time zone, on the reader's clock.

import { localTimeZone } from '../clock.svelte.ts';
import { formatDay, formatTime, offsetName } from '../draw/time_axis.ts';
import { preferences } from '../shell/preferences.svelte.ts';
import { location } from '../url/location.svelte.ts';

export function when(text: string): string {
  const at = Date.parse(text);
  const timeZone = location.view.clock === 'utc' ? 'UTC' : localTimeZone();
  const locale = preferences.language;
  return `${formatDay(at, timeZone, locale)} ${formatTime(at, timeZone, locale)} ${offsetName(at, timeZone)}`;
}
