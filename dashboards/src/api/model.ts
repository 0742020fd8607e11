// Short names for the generated types of the collector's API. Add a name here, never a shape: shapes come from the OpenAPI.

import type { components } from './types.ts';

type Schemas = components['schemas'];

export type Agent = Schemas['AgentAnswer'];
export type AgentsAnswer = Schemas['AgentsAnswer'];
export type Zone = Schemas['ZoneAnswer'];
export type ZonesAnswer = Schemas['ZonesAnswer'];
export type CatalogueAnswer = Schemas['CatalogueAnswer'];
export type Cell = Schemas['MapCell'];
export type MapAnswer = Schemas['MapAnswer'];
export type SeriesAnswer = Schemas['SeriesAnswer'];
export type SeriesPoint = Schemas['SeriesPoint'];
export type Gap = Schemas['Gap'];
export type PathsAnswer = Schemas['PathsAnswer'];
export type ThroughputAnswer = Schemas['ThroughputAnswer'];
export type ThroughputTest = Schemas['ThroughputTest'];
export type NewestThroughputAnswer = Schemas['NewestThroughputAnswer'];
export type PathHopView = Schemas['HopView'];
export type HeatmapAnswer = Schemas['HeatmapAnswer'];
export type DistributionAnswer = Schemas['DistributionAnswer'];
export type ExplainAnswer = Schemas['ExplainAnswer'];
export type ExplainLine = Schemas['ExplainLine'];
export type GroupsAnswer = Schemas['GroupsAnswer'];
export type CompareAnswer = Schemas['CompareAnswer'];
export type ComparedPair = Schemas['ComparedPair'];
export type Alert = Schemas['AlertAnswer'];
export type AlertsAnswer = Schemas['AlertsAnswer'];
export type Incident = Schemas['IncidentAnswer'];
export type IncidentsAnswer = Schemas['IncidentsAnswer'];
export type RulesAnswer = Schemas['RulesAnswer'];
export type Silence = Schemas['SilenceAnswer'];
export type SilencesAnswer = Schemas['SilencesAnswer'];
export type Session = Schemas['SessionAnswer'];
export type StatusAnswer = Schemas['StatusAnswer'];
export type AgentStanding = Schemas['AgentStanding'];
export type SnapshotHead = Schemas['SnapshotHead'];
export type SnapshotsAnswer = Schemas['SnapshotsAnswer'];
export type SnapshotAnswer = Schemas['SnapshotAnswer'];
export type Problem = Schemas['Problem'];
export type Coverage = Schemas['CoverageAnswer'];
