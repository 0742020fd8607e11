// How many things are open, for the bar of every screen: an incident is one, its alerts are inside it. Pure. Apart from the
// rest of the model, which only the screens of alerts need.

import type { Alert } from '../api/model.ts';

interface Counted {
  total: number;
}

/** Open incidents, and open alerts for which none of them speaks; alerts that are not listed count as the latter. */
export function openCount(
  alerts: (Counted & { alerts: readonly Pick<Alert, 'suppressed'>[] }) | null,
  incidents: Counted | null,
): number {
  const inside = alerts?.alerts.filter((alert) => alert.suppressed).length ?? 0;
  return (alerts?.total ?? 0) - inside + (incidents?.total ?? 0);
}
