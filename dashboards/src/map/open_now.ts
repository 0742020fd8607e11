// What fires now in the order in which it deserves a line: what concerns the ways shown first, then incidents, then the alerts for
// which no incident speaks. Pure.

import type { Alert, Incident } from '../api/model.ts';

export interface OpenLine {
  id: string;
  /** It concerns a way that is shown. */
  here: boolean;
  incident: Incident | null;
  alert: Alert | null;
}

/** `alerts` come in their own order, which is kept. */
export function openLines(
  incidents: readonly Incident[],
  alerts: readonly Alert[],
  concerns: (series: Record<string, string>) => boolean,
): OpenLine[] {
  const spoken = new Set(incidents.map((one) => one.id));
  const lines: OpenLine[] = [
    ...incidents.map((incident) => ({
      id: incident.id,
      here: incident.members.some((member) => concerns(member.series)),
      incident,
      alert: null,
    })),
    ...alerts
      .filter((alert) => alert.incident == null || !spoken.has(alert.incident))
      .map((alert) => ({ id: alert.id, here: concerns(alert.series), incident: null, alert })),
  ];
  return [...lines.filter((line) => line.here), ...lines.filter((line) => !line.here)];
}
