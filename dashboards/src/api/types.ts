// Generated from the collector’s OpenAPI description by `npm run types`. Do not edit.

export interface paths {
    "/api/v1/agent/challenge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a challenge, signed by the collector. */
        post: operations["challenge"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/agent/key": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives an agent another key. The old one is taken for another 24 hours. */
        post: operations["key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/agent/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the agent whose session this is is to measure. */
        get: operations["plan"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/agent/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens a session for an agent that proves its key. */
        post: operations["session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/agent/ticket": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs a throughput ticket for an agent that proves its key. No clock is in it: it is good from the reflector's challenge on. */
        post: operations["ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every agent ever heard, and how it fares. */
        get: operations["agents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every alert that is pending, fires, recovers, or was over within a week. */
        get: operations["alerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{id}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Takes an alert that fires or recovers upon oneself: nobody else is told of this episode, and the end of it is still told
         *     to whoever was.
         */
        post: operations["acknowledge"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/api-tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The API tokens: names, roles, ends. Needs the role `administer`. */
        get: operations["api_tokens"];
        put?: never;
        /** Makes an API token: its text is in the answer, and nowhere else. Needs the role `administer`. */
        post: operations["make_api_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/api-tokens/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes an API token away, from now on. Needs the role `administer`. */
        delete: operations["revoke_api_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Everything in the store, consistent, while it goes on taking reports. `azimuth-collector restore` makes a directory of it.
         *     The stream's own end says that it is whole.
         */
        get: operations["backup"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/catalogue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is known of providers, zones and public endpoints, with dates and sources. */
        get: operations["catalogue"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Two windows of the same pairs: how far apart, and how surely. */
        get: operations["compare"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/distribution": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One pair over one window: the whole distribution. */
        get: operations["distribution"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What stands out in a rectangle of the heat map: addresses, flows, hours, methods and load labels whose share inside is
         *     larger than outside.
         */
        get: operations["explain"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Every series for itself, step by step, as a file. Two series are never merged. Written while it is read: an export that
         *     fails half-way breaks the connection off, and the trailer `azimuth-export` (for those who send `TE: trailers`) says what
         *     is in one that did not, and what is missing.
         */
        get: operations["export"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The agents that joined, and by which token. Needs the role `operate`. */
        get: operations["joined_agents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet/agents/{agent}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Puts an agent out: from this moment nothing it asks is answered. What it measured stays. Needs the role `administer`. */
        delete: operations["revoke_agent"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The plan in force: what the agents that joined are to measure, and how many do. */
        get: operations["plan_in_force"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tokens to join with: those that are open, and the last that are over. Needs the role `operate`. */
        get: operations["join_tokens"];
        put?: never;
        /** Makes a token to join with: it is in the answer, and nowhere else. Needs the role `administer`. */
        post: operations["make_join_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends a token: nobody joins with it any more, who has joined stays. Needs the role `administer`. */
        delete: operations["revoke_join_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was seen by everything that shares some labels, over one window or step by step. */
        get: operations["groups"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/heatmap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One pair over time and delay: how many delays fell into each cell. */
        get: operations["heatmap"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/incidents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every incident that is pending, fires, recovers, or was over within a week. */
        get: operations["incidents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a host join with a token. */
        post: operations["join"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/map": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Vantage points by zones over one window. */
        get: operations["map"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/oidc/callback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Back from the identity provider: begins a session. */
        get: operations["callback"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/oidc/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Away to the identity provider, which sends the browser back to `/api/v1/oidc/callback`. */
        get: operations["login"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This description. */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/paths": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The routers on the way from an agent to a zone, now and at each change. */
        get: operations["paths"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/reports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Delivers reports and tombstones; answers a verdict for each once it is durable. */
        post: operations["reports"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/rules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The rules that are evaluated, and the maintenance windows. */
        get: operations["rules"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One pair over time, and the gaps whose cause is known. */
        get: operations["series"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who asks, and what they may do. */
        get: operations["who"];
        put?: never;
        /** Log in: the answer sets a cookie. */
        post: operations["log_in"];
        /** Log out: the session ends, here and everywhere its cookie is. */
        delete: operations["log_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/silences": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every silence: to come, in force, or ended within a week. */
        get: operations["silences"];
        put?: never;
        /** Begins a silence: what it covers is not told while it lasts. An alert that still fires when it ends is told then. */
        post: operations["silence"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/silences/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends a silence, or takes back one to come. */
        delete: operations["unsilence"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every snapshot, without its answers. */
        get: operations["snapshots"];
        put?: never;
        /** Keeps a view: asks what it asks, and stores the answers. They stay until they are deleted, whatever retention removes. */
        post: operations["keep"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/snapshots/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A view as it was kept. */
        get: operations["snapshot"];
        put?: never;
        post?: never;
        /** Deletes a snapshot. */
        delete: operations["forget"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How the collector fares: what waits, how long commits take, what was refused, when the disk is full, who is silent,
         *     and whether any of it needs a person.
         */
        get: operations["status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/throughput": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What throughput tests between an agent and a zone found. */
        get: operations["throughput"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/throughput/newest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Of each agent, zone and direction the newest throughput test of a window. */
        get: operations["newest"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/zones": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Every zone that is measured, joined with the catalogue. */
        get: operations["zones"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process runs. */
        get: operations["healthz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The measured delays of each pair, and the collector's own counters, for Prometheus. */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether it can do its work: the store is open, readable, and took the last write. */
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What to acknowledge with. */
        AcknowledgeBody: {
            /** @description Who takes it upon themselves; at most 100 characters. */
            by: string;
            /** @description What there is to say; at most 1000 characters. */
            comment?: string;
        };
        /** @description Who took an alert upon themselves. */
        AcknowledgedAnswer: {
            /** @description When. */
            at: components["schemas"]["UtcInstant"];
            /** @description Who. */
            by: string;
            /** @description What they had to say. */
            comment: string;
        };
        /** @description One agent. */
        AgentAnswer: {
            /** @description Its id. */
            agent: string;
            /**
             * Format: int64
             * @description Agent clock minus collector clock, in milliseconds, at the last report.
             */
            clock_skew_ms: number;
            cloud: components["schemas"]["CloudAnswer"] | null;
            /**
             * Format: int64
             * @description Reports refused because they cannot be of the same host as others of this agent: two hosts report under one id.
             */
            identity_conflicts: number;
            last_identity_conflict_at: components["schemas"]["UtcInstant"] | null;
            /** @description The end of the latest interval it has reported, on the collector's clock. */
            last_interval_end_at: components["schemas"]["UtcInstant"];
            /** @description When its last report was received. */
            last_report_at: components["schemas"]["UtcInstant"];
            plan: components["schemas"]["AgentPlanAnswer"] | null;
            /**
             * Format: int64
             * @description Reports stored since it was first seen.
             */
            reports_stored: number;
            /**
             * Format: int32
             * @description 99th percentile of how late its probes left, in its last report; null when it sent none.
             */
            send_lateness_p99_us: number | null;
            /**
             * Format: int32
             * @description Series in its current manifest.
             */
            series: number;
            /**
             * Format: int32
             * @description How many of those are admitted. The records of the others are not kept: the collector takes no more of them, or no
             *     more new ones this hour.
             */
            series_admitted: number;
            /** @description How recently it was heard. */
            state: components["schemas"]["AgentState"];
            /** @description Where it stands. */
            vantage_point: components["schemas"]["VantagePointAnswer"];
            /** @description Its software version. */
            version: string;
        };
        /** @description A stretch in which nothing was heard of an agent. */
        AgentGap: {
            /** @description The agent. */
            agent: string;
            /**
             * @description Why: `queue_full`, `corrupt` or `refused` when the agent said so, `not_received` when nothing has arrived and
             *     nobody has said why: the agent was off or cut off, or has yet to deliver. In the middle of a range: it came back.
             */
            cause: string;
            /** @description Its end. */
            end_at: components["schemas"]["UtcInstant"];
            /**
             * Format: int64
             * @description How many reports were given up; null when nobody has said.
             */
            reports: number | null;
            /** @description Its start. */
            start_at: components["schemas"]["UtcInstant"];
        };
        /** @description Which plan an agent measures by, and what of it it does not do. */
        AgentPlanAnswer: {
            /** @description What it refuses, by reason: of the plan it measures by, and whole plans since it started. */
            refused: {
                [key: string]: number;
            };
            /** @description It sends nothing, because the plan says so. */
            stopped: boolean;
            /**
             * Format: int64
             * @description The version; 0 where none was taken yet.
             */
            version: number;
        };
        /** @description One agent. */
        AgentStanding: {
            /** @description Its id. */
            agent: string;
            /**
             * Format: int64
             * @description Agent clock minus collector clock, in milliseconds, at the last report.
             */
            clock_skew_ms: number;
            /** @description When its last report was received. */
            last_report_at: components["schemas"]["UtcInstant"];
            /** @description Its vantage point's name. */
            name: string;
            /**
             * Format: int32
             * @description 99th percentile of how late its probes left, in its last report; null when it sent none.
             */
            send_lateness_p99_us: number | null;
            /**
             * Format: int64
             * @description How long ago that is, in seconds.
             */
            silent_s: number;
            /** @description How recently it was heard. */
            state: components["schemas"]["AgentState"];
            /** @description Its software version. */
            version: string;
        };
        /**
         * @description How recently an agent was heard.
         * @enum {string}
         */
        AgentState: "live" | "stale" | "offline";
        /** @description `GET /api/v1/agents` */
        AgentsAnswer: {
            /** @description Every agent ever heard, by id. */
            agents: components["schemas"]["AgentAnswer"][];
            /** @description The collector's time when it answered. */
            now: components["schemas"]["UtcInstant"];
        };
        /** @description One alert. */
        AlertAnswer: {
            acknowledged?: components["schemas"]["AcknowledgedAnswer"] | null;
            /**
             * Format: double
             * @description The value before, or the limit.
             */
            before?: number | null;
            /** @description How it was over: `recovered`, `new_baseline` or `retired`. */
            ending?: string | null;
            /**
             * Format: int64
             * @description How often it has fired.
             */
            episode: number;
            fired_at?: components["schemas"]["UtcInstant"] | null;
            /** @description Its name in this API. */
            id: string;
            /** @description `id` of the incident that speaks for it, or did; null when there is none. */
            incident?: string | null;
            /** @description What was watched: `p50`, `loss`, `absence`. */
            measure: string;
            regressed_at?: components["schemas"]["UtcInstant"] | null;
            resolved_at?: components["schemas"]["UtcInstant"] | null;
            /** @description Its rule. */
            rule: string;
            /** @description Labels of its series. */
            series: {
                [key: string]: string;
            };
            /** @description How urgent: `info`, `warning` or `critical`; null when the rule is gone. */
            severity?: string | null;
            /** @description A silence or a maintenance window covers it. */
            silenced: boolean;
            since?: components["schemas"]["UtcInstant"] | null;
            /** @description `inactive`, `pending`, `firing`, `recovering` or `resolved`. */
            state: string;
            /** @description An incident speaks for it. */
            suppressed: boolean;
            /** @description Whether somebody was, or is to be, told of this episode. */
            told: boolean;
            /** @description The unit of both: `ms`, `percent`, `probes`, `burn` or `s`. */
            unit?: string | null;
            /**
             * Format: double
             * @description The value after.
             */
            value?: number | null;
            windows?: components["schemas"]["AlertWindows"] | null;
        };
        /** @description Before the change and since, of equal length where there is that much, and never less than an hour before. */
        AlertWindows: {
            /** @description Begin of the stretch since, which is `regressed_at`. */
            after_from: components["schemas"]["UtcInstant"];
            /** @description Its end: when it was over, or how far the evaluation has come; at most six hours after its begin. */
            after_to: components["schemas"]["UtcInstant"];
            /** @description Begin of the stretch before. */
            before_from: components["schemas"]["UtcInstant"];
            /** @description Its end, which is `regressed_at`. */
            before_to: components["schemas"]["UtcInstant"];
        };
        /** @description Alerts. */
        AlertsAnswer: {
            /** @description Those that fire first, then the latest first. */
            alerts: components["schemas"]["AlertAnswer"][];
            evaluated_to?: components["schemas"]["UtcInstant"] | null;
            /** @description When this was true. */
            now: components["schemas"]["UtcInstant"];
            /** @description How many there are, of which those beyond the limit are not listed. */
            total: number;
            /**
             * Format: int64
             * @description How many series the rules watch.
             */
            watched_series: number;
        };
        /**
         * @description What kind of answer the probes of a series got.
         * @enum {string}
         */
        AnswerName: "ordinary" | "redirect" | "client_error" | "server_error" | "certificate_expired" | "certificate_name" | "certificate_untrusted" | "tls_failed" | "broken" | "no_such_name" | "server_failure" | "query_refused" | "truncated" | "other";
        /** @description An API token; never its text. */
        ApiTokenAnswer: {
            expires_at: components["schemas"]["UtcInstant"] | null;
            /** @description Whether it has ended. */
            is_expired: boolean;
            /** @description When it was made. */
            made_at: components["schemas"]["UtcInstant"];
            /** @description What it is for. */
            name: string;
            /** @description What its bearer may do. */
            role: components["schemas"]["Role"];
        };
        /** @description A token that was made. */
        ApiTokenMade: {
            /** @description Its name. */
            name: string;
            /** @description Its text, for `Authorization: Bearer`: told this once. */
            token: string;
        };
        /** @description A token to make. */
        ApiTokenWanted: {
            /** @description What it is for: 1 to 64 letters, digits, and - _ . @ + */
            name: string;
            /** @description What its bearer may do. */
            role: components["schemas"]["Role"];
            /**
             * Format: int64
             * @description How long it is good; left out or null, until it is revoked.
             */
            ttl_ms?: number | null;
        };
        /** @description The API tokens. */
        ApiTokensAnswer: {
            /** @description Whether none can be made here yet: it would be the first account, and nobody could log in after it. */
            needs_administrator: boolean;
            /** @description By name. */
            tokens: components["schemas"]["ApiTokenAnswer"][];
        };
        /**
         * @description Why it is not known how long each way took.
         * @enum {string}
         */
        AsymmetryUnknownName: "clocks_not_synchronised" | "error_exceeds_delay";
        /** @description A bin of the merged histogram. */
        Bin: {
            /**
             * Format: int64
             * @description Delays in the bin.
             */
            count: number;
            /**
             * Format: int32
             * @description Longest delay of the bin.
             */
            high_us: number;
            /**
             * Format: int32
             * @description Shortest delay of the bin.
             */
            low_us: number;
        };
        /** @description `GET /api/v1/catalogue` */
        CatalogueAnswer: {
            /** @description Every public endpoint; of one region, the one to begin with first. */
            endpoints: components["schemas"]["CatalogueEndpointAnswer"][];
            /** @description Every provider, as written. */
            providers: components["schemas"]["CatalogueProviderAnswer"][];
            /** @description Every zone, as written. */
            zones: components["schemas"]["CatalogueZoneAnswer"][];
        };
        /** @description An address in a region that answers the public. */
        CatalogueEndpointAnswer: {
            /** @description The day it was read, `YYYY-MM-DD`. */
            as_of: string;
            /** @description How sure it is. */
            confidence: components["schemas"]["ConfidenceName"];
            /** @description Not to be measured without the word of whoever owns it. */
            consent: boolean;
            /** @description How finely it is known. */
            granularity: components["schemas"]["GranularityName"];
            /** @description A name or an address. */
            host: string;
            /**
             * Format: int32
             * @description Never more often than this, in milliseconds.
             */
            least_period_ms: number;
            /** @description What may be measured there. */
            methods: components["schemas"]["MethodName"][];
            /** @description Whose it is. */
            ownership: components["schemas"]["OwnershipName"];
            /**
             * Format: int32
             * @description Where it answers.
             */
            port: number;
            /** @description Provider id. */
            provider: string;
            /** @description Region id, as the provider writes it. */
            region: string;
            /** @description Where it was read. */
            source: string;
            /** @description The one zone it stands in, where that is known. */
            zone_id: string | null;
        };
        /** @description Who sells zones, and under whose law. */
        CatalogueProviderAnswer: {
            /** @description The day the two countries were read, `YYYY-MM-DD`; empty for a row of the user's own. */
            countries_as_of: string;
            /** @description How sure they are. */
            countries_confidence: components["schemas"]["ConfidenceName"];
            /** @description Where they were read. */
            countries_source: string;
            /** @description Provider name. */
            name: string;
            /** @description Where the company that runs it sits, ISO 3166-1 alpha-2; null where it is not known. */
            operator_country: string | null;
            /** @description Where the company that owns that one in the end sits. */
            parent_country: string | null;
            /** @description Provider id. */
            provider: string;
            /** @description What it was certified for, or not. */
            qualifications: components["schemas"]["QualificationAnswer"][];
        };
        /** @description One zone, measured or not. */
        CatalogueZoneAnswer: {
            /** @description The day its region was read, `YYYY-MM-DD`; empty for a row of the user's own. */
            as_of: string;
            /** @description City or nearest town. */
            city: string;
            /** @description How sure the zone id is. */
            confidence: components["schemas"]["ConfidenceName"];
            /**
             * Format: double
             * @description How far off the coordinates may be, in kilometres.
             */
            coordinate_accuracy_km: number;
            /** @description Where the coordinates were read. */
            coordinate_source: string;
            /** @description ISO 3166-1 alpha-2. */
            country: string;
            /** @description Metropolitan area to group by. */
            metro: string;
            /** @description Provider id. */
            provider: string;
            /** @description Region name. */
            region_name: string;
            /** @description Where the region and its zones were read. */
            source: string;
            /** @description `provider/region/zone`, as everywhere. */
            zone: string;
        };
        /** @description A challenge to be answered once within a minute. */
        Challenge: {
            /** @description What to sign, base64url. */
            challenge: string;
            /** @description The collector's Ed25519 signature over nonce and challenge, base64url: it is the one that the token names. */
            signature: string;
        };
        /** @description Asks for a challenge. */
        ChallengeRequest: {
            /** @description 32 random bytes of the agent, base64url. */
            nonce: string;
        };
        /**
         * @description Which clock stamped the delays of a histogram.
         * @enum {string}
         */
        ClockName: "kernel" | "kernel_rx" | "user" | "tcp_info";
        /** @description Where in a cloud a host stands, as the catalogue names it. */
        CloudAnswer: {
            /** @description The provider. */
            provider: string;
            /** @description Its region; null when that is not known. */
            region: string | null;
            /** @description The physical zone; null when that is not known. */
            zone: string | null;
        };
        /** @description How long commits took lately. A commit is one transaction with its fsync. */
        CommitStatus: {
            /**
             * Format: int64
             * @description How many of them failed.
             */
            failed: number;
            /**
             * Format: int32
             * @description The longest; what took more than 60 s counts as 60 s.
             */
            max_us: number | null;
            /**
             * Format: int64
             * @description How many there were.
             */
            n: number;
            /**
             * Format: int32
             * @description Half took at most this long, in microseconds.
             */
            p50_us: number | null;
            /**
             * Format: int32
             * @description 99 of 100 took at most this long.
             */
            p99_us: number | null;
        };
        /** @description `GET /api/v1/compare` */
        CompareAnswer: {
            /** @description What was read of the window it is held against. */
            baseline_coverage: components["schemas"]["CoverageAnswer"];
            /** @description Start of the window it is held against. */
            baseline_from: components["schemas"]["UtcInstant"];
            /** @description End of the window it is held against, exclusive. */
            baseline_to: components["schemas"]["UtcInstant"];
            /** @description What was read of the window. */
            coverage: components["schemas"]["CoverageAnswer"];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description The one load label behind every number. */
            load: components["schemas"]["LoadName"];
            /** @description The one method behind every number. */
            method: components["schemas"]["MethodName"];
            /** @description One per agent and zone that has data in either window, ordered by agent, then zone. */
            pairs: components["schemas"]["ComparedPair"][];
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
        };
        /** @description One pair in both windows. */
        ComparedPair: {
            /** @description The agent. */
            agent: string;
            /** @description The window it is held against. */
            baseline: components["schemas"]["ComparedWindow"];
            clock: components["schemas"]["ClockName"] | null;
            /**
             * Format: double
             * @description Two-sided p-value of the loss ratios differing.
             */
            loss_p: number | null;
            /**
             * Format: double
             * @description `loss_p` adjusted over all rows.
             */
            loss_q: number | null;
            loss_why: components["schemas"]["Why"] | null;
            /**
             * Format: double
             * @description Two-sided p-value of `theta` not being 0.5.
             */
            p: number | null;
            /**
             * Format: double
             * @description `p` adjusted over all rows (Benjamini and Hochberg).
             */
            q: number | null;
            /**
             * Format: int64
             * @description Median of the window minus median of the baseline.
             */
            shift_p50_us: number | null;
            /**
             * Format: double
             * @description Probability that a delay of the window is longer than one of the baseline, ties half.
             */
            theta: number | null;
            why: components["schemas"]["Why"] | null;
            /** @description The window asked about. */
            window: components["schemas"]["ComparedWindow"];
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description What one pair saw in one window. */
        ComparedWindow: {
            /**
             * Format: int32
             * @description Intervals that hold delays.
             */
            intervals: number;
            /**
             * Format: double
             * @description lost / sent; null when nothing was sent.
             */
            loss_ratio: number | null;
            /**
             * Format: int64
             * @description Probes not answered within the waiting time (RFC 7680).
             */
            lost: number;
            /**
             * Format: int64
             * @description Delays compared: those of the clock both windows share.
             */
            n: number;
            /**
             * Format: double
             * @description Independent delays these are worth.
             */
            n_effective: number;
            /**
             * Format: int32
             * @description Median round-trip delay (nearest rank).
             */
            p50_us: number | null;
            /**
             * Format: int32
             * @description 90th percentile.
             */
            p90_us: number | null;
            /**
             * Format: int32
             * @description 99th percentile.
             */
            p99_us: number | null;
            /**
             * Format: int64
             * @description Probes sent.
             */
            sent: number;
        };
        /** @description Something that needs a person. */
        ConcernAnswer: {
            /** @description What is the matter. */
            detail: string;
            /**
             * @description A stable word: `store_not_writable`, `plan_stopped`, `commits_failing`, `ingest_overloaded`, `disk_filling`, `disk_low`,
             *     `sealing_failing`, `sealing_behind`, `files_damaged`, `reports_unreadable`, `reports_refused`,
             *     `queries_overloaded`, `connections_refused`, `commits_slow`, `channels_dead`, `agents_silent`, `clocks_off` or
             *     `faster_than_light`.
             */
            name: string;
            /** @description What to do about it. */
            remedy: string;
        };
        /**
         * @description How sure a fact is.
         * @enum {string}
         */
        ConfidenceName: "verified" | "derived" | "reported" | "guessed";
        /** @description Which stored data an answer was made from, and what of the asked range it could not see. */
        CoverageAnswer: {
            /** @description Stretches of the asked range that nothing could answer. */
            missing: components["schemas"]["MissingStretch"][];
            /**
             * Format: int32
             * @description Length of the shortest intervals that tier keeps apart, in seconds.
             */
            resolution_s: number;
            /** @description The coarsest tier read: `10s`, `1min`, `1h` or `1day`. */
            tier: string;
            /** @description Which tier answered which stretch: the edges of a range are read from finer ones. */
            tiers: components["schemas"]["TierStretch"][];
            /**
             * Format: int64
             * @description Stored reports in the range that could not be read back, and are not in the answer.
             */
            unreadable_reports: number;
        };
        /** @description What is to blame. */
        CulpritAnswer: {
            /** @description What kind of thing: a label, such as `zone`. */
            label: string;
            /** @description For an agent that is itself sick, of what: `clock`, `cpu` or `access_line`; else null. */
            sickness?: string | null;
            /** @description Which. */
            value: string;
        };
        /**
         * @description Which way the octets of a test went.
         * @enum {string}
         */
        DirectionName: "download" | "upload";
        /** @description `GET /api/v1/distribution` */
        DistributionAnswer: components["schemas"]["Facts"] & {
            /** @description The agent. */
            agent: string;
            /** @description The histogram itself: bins that hold a delay, ascending. */
            bins: components["schemas"]["Bin"][];
            clock: components["schemas"]["ClockName"] | null;
            /** @description What was read. */
            coverage: components["schemas"]["CoverageAnswer"];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description Reports that will never come, with the cause. */
            gaps: components["schemas"]["Gap"][];
            /** @description The one load label behind every number. */
            load: components["schemas"]["LoadName"];
            /**
             * Format: double
             * @description lost / sent; null when nothing was sent.
             */
            loss_ratio: number | null;
            /**
             * Format: int64
             * @description Probes not answered within the waiting time (RFC 7680).
             */
            lost: number;
            /**
             * Format: int32
             * @description Longest round-trip delay.
             */
            max_us: number | null;
            /**
             * Format: double
             * @description Mean round-trip delay, each delay taken at the middle of its bin.
             */
            mean_us: number | null;
            /** @description The one method behind every number. */
            method: components["schemas"]["MethodName"];
            /**
             * Format: int32
             * @description Shortest round-trip delay.
             */
            min_us: number | null;
            /**
             * Format: int64
             * @description Delays in the histogram.
             */
            n: number;
            /** @description The percentile curve, up to the last quantile that at least one delay exceeds in rank. */
            percentiles: components["schemas"]["Percentile"][];
            /**
             * Format: int64
             * @description Probes answered within the waiting time.
             */
            returned: number;
            /**
             * Format: int64
             * @description Probes sent.
             */
            sent: number;
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description Where agents come in by TLS. */
        DoorAnswer: {
            /** @description Whether tokens pin its key: then neither names nor dates in its certificate matter. */
            is_pinned: boolean;
            /**
             * Format: int32
             * @description The port.
             */
            port: number;
        };
        /** @description An entry. */
        EntryLine: {
            /** @description Addresses it chooses. */
            addresses: number;
            /** @description Who. */
            agents: string;
            /** @description Agents it chooses now; absent where no collector was asked. */
            agents_chosen?: number | null;
            /** @description How. */
            method: string;
            /** @description Its name. */
            name: string;
            /** @description Addresses left out because whoever owns them was not asked. */
            need_consent: number;
            /**
             * Format: int32
             * @description How often, in milliseconds.
             */
            period_ms: number;
            /** @description What. */
            zones: string;
        };
        /**
         * @description What an estimate rests on.
         * @enum {string}
         */
        Estimate: "sealed_growth" | "beyond_ten_years" | "too_little_sealed" | "free_space_unknown";
        /** @description `GET /api/v1/explain` */
        ExplainAnswer: {
            /** @description The agent. */
            agent: string;
            clock: components["schemas"]["ClockName"] | null;
            /** @description What was read. */
            coverage: components["schemas"]["CoverageAnswer"];
            /**
             * Format: int32
             * @description The one flow; null when all are meant.
             */
            flow: number | null;
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /**
             * Format: int32
             * @description Longest delay of the rectangle. A bin of the histogram belongs where its shortest delay does.
             */
            high_us: number;
            /** @description Start of the rectangle, brought out to a whole 10 s. */
            inside_from: components["schemas"]["UtcInstant"];
            /** @description End of the rectangle, exclusive, brought out to a whole 10 s. */
            inside_to: components["schemas"]["UtcInstant"];
            /** @description What is more common inside than outside, the surest first, at most 12. Empty when nothing stands out. */
            lines: components["schemas"]["ExplainLine"][];
            /** @description The load label asked for. */
            load: components["schemas"]["LoadName"];
            /**
             * Format: int32
             * @description Shortest delay of the rectangle.
             */
            low_us: number;
            /** @description The method asked for. */
            method: components["schemas"]["MethodName"];
            /**
             * Format: int64
             * @description Delays of the pair, by this method, in the rectangle.
             */
            n_inside: number;
            /**
             * Format: int64
             * @description Delays of the pair, by this method, in the rest of the window.
             */
            n_outside: number;
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
            /** @description How much there was to tell apart, by what. */
            traits: components["schemas"]["ExplainTrait"][];
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description A value that is more common inside. */
        ExplainLine: {
            /**
             * Format: int64
             * @description Delays of this value inside.
             */
            inside: number;
            /**
             * Format: double
             * @description Share inside over share outside; null when none is outside.
             */
            lift: number | null;
            /**
             * Format: double
             * @description The least that lift may be: lower end of its 99 % interval, delays taken for independent. Above 1 for every line.
             */
            lift_least: number;
            /**
             * Format: int64
             * @description Delays of any value inside.
             */
            of_inside: number;
            /**
             * Format: int64
             * @description Delays of any value outside.
             */
            of_outside: number;
            /**
             * Format: int64
             * @description Delays of this value outside.
             */
            outside: number;
            /** @description What it is a value of. */
            trait: components["schemas"]["Trait"];
            /** @description The value. */
            value: string;
        };
        /** @description How much there was to tell apart. */
        ExplainTrait: {
            /**
             * Format: int32
             * @description Of those, values with too few delays inside to judge; none inside is not too few.
             */
            too_few: number;
            /** @description By what. */
            trait: components["schemas"]["Trait"];
            /**
             * Format: int32
             * @description Values with delays in the window. Of one alone nothing can be told.
             */
            values: number;
        };
        /** @description How delay varied, where probes were lost, and which errors were met. */
        Facts: {
            asymmetry_unknown: components["schemas"]["AsymmetryUnknownName"] | null;
            /**
             * Format: int64
             * @description Further answers to a probe already answered (RFC 5560).
             */
            duplicate: number;
            /**
             * @description Errors by kind, only those that were met. ICMP errors settle nothing: their probes are lost once the waiting time has
             *     passed. `send_...`: this host did not send; such probes are not among the sent. `refused`: answers that say no.
             */
            errors: {
                [key: string]: number;
            };
            /**
             * Format: double
             * @description Mean difference between the round-trip delays of such a pair, signs dropped (IPDV, RFC 3393); null without pairs, and
             *     where the agents are too old to tell.
             */
            ipdv_mean_us: number | null;
            /**
             * Format: int64
             * @description Pairs of probes behind `ipdv_mean_us`: sent one after the other, both answered, stamped by the same clock.
             */
            ipdv_pairs: number;
            /**
             * Format: int64
             * @description Answers after the waiting time; their probes are lost all the same.
             */
            late: number;
            /**
             * Format: int64
             * @description Of the lost, those that are known to have reached it.
             */
            lost_back: number;
            /**
             * Format: int64
             * @description Of the lost, those known not to have reached the reflector (RFC 8972 section 4.5).
             */
            lost_out: number;
            /**
             * Format: int64
             * @description Of the lost, those whose way is not known: all of them where the reflector keeps no count, or is not asked for it.
             */
            lost_unknown: number;
            one_way: components["schemas"]["OneWayFacts"] | null;
            /**
             * Format: int32
             * @description 95th percentile of how much longer a delay was than the shortest of this answer (PDV, RFC 5481), from the same delays
             *     as the quantiles.
             */
            pdv_p95_us: number | null;
            /**
             * Format: int32
             * @description 99th percentile of the same.
             */
            pdv_p99_us: number | null;
            /**
             * Format: int64
             * @description Answers that arrived after an answer to a later probe (RFC 4737).
             */
            reordered: number;
        };
        /** @description Who delivers. */
        FleetStatus: {
            /**
             * Format: int64
             * @description Of the live ones, those whose clock is more than 2 s off.
             */
            clocks_off: number;
            /**
             * Format: int64
             * @description Agents that ever had a report stored.
             */
            known: number;
            /**
             * Format: int64
             * @description How many more there are.
             */
            left_out: number;
            /**
             * Format: int64
             * @description Heard within 30 s.
             */
            live: number;
            /**
             * Format: int64
             * @description Silent for longer.
             */
            offline: number;
            /**
             * Format: int64
             * @description Of the offline ones, those heard within the last day. One that is silent for longer is taken to be gone, and is no
             *     concern.
             */
            silent_lately: number;
            /**
             * Format: int64
             * @description Heard within 5 min.
             */
            stale: number;
            /** @description The worst first: silent since a short time, then wrong clocks, then the rest, then those that are gone. */
            worst: components["schemas"]["AgentStanding"][];
        };
        /** @description Reports that will never come, with the reason: the agent's tombstone. */
        Gap: {
            /** @description Why: `queue_full`, `corrupt`, `refused`. */
            cause: string;
            /** @description End of the last interval given up. */
            end_at: components["schemas"]["UtcInstant"];
            /**
             * Format: int64
             * @description How many reports were given up.
             */
            reports: number;
            /** @description Start of the first interval given up. */
            start_at: components["schemas"]["UtcInstant"];
        };
        /**
         * @description How exactly a target stands for its zone. Ordered from exact to vague.
         * @enum {string}
         */
        GranularityName: "zone" | "region" | "campus";
        /** @description A group that has data. */
        GroupRow: components["schemas"]["Facts"] & {
            /**
             * Format: int32
             * @description Agents with data here.
             */
            agents: number;
            clock: components["schemas"]["ClockName"] | null;
            /** @description How exactly the targets stand for their zones: the vaguest of those merged here. */
            granularity: components["schemas"]["GranularityName"];
            /**
             * @description What its members share: every label grouped by, null where it is not known (a zone the catalogue does not know
             *     has no metro).
             */
            labels: {
                [key: string]: string | null;
            };
            /**
             * Format: double
             * @description lost / sent; null when nothing was sent.
             */
            loss_ratio: number | null;
            /**
             * Format: int64
             * @description Probes not answered within the waiting time (RFC 7680).
             */
            lost: number;
            /**
             * Format: int32
             * @description Longest round-trip delay.
             */
            max_us: number | null;
            /**
             * Format: int32
             * @description Shortest round-trip delay.
             */
            min_us: number | null;
            /**
             * Format: int64
             * @description Delays in the histogram the quantiles were taken from.
             */
            n: number;
            /**
             * Format: int32
             * @description Median round-trip delay (nearest rank).
             */
            p50_us: number | null;
            /**
             * Format: int32
             * @description 90th percentile.
             */
            p90_us: number | null;
            /**
             * Format: int32
             * @description 99th percentile.
             */
            p99_us: number | null;
            /**
             * Format: int64
             * @description Probes answered within the waiting time.
             */
            returned: number;
            /**
             * Format: int64
             * @description Probes sent.
             */
            sent: number;
            /** @description Start of the step; of the window when no step was asked for. */
            start_at: components["schemas"]["UtcInstant"];
            /**
             * Format: int32
             * @description Zones with data here.
             */
            zones: number;
        };
        /** @description `GET /api/v1/groups` */
        GroupsAnswer: {
            /** @description What was read. */
            coverage: components["schemas"]["CoverageAnswer"];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description When an agent that should have been seen here was silent, and why; by agent, then start. */
            gaps: components["schemas"]["AgentGap"][];
            /** @description The labels that make a group. Two methods or load labels are never in one. */
            group_by: components["schemas"]["Label"][];
            /** @description One per group and step that has data, by start, then by the labels in the order of `group_by`. */
            groups: components["schemas"]["GroupRow"][];
            /**
             * Format: int32
             * @description Length of one step; null when each group has one row.
             */
            step_s: number | null;
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
        };
        /** @description `GET /api/v1/heatmap` */
        HeatmapAnswer: {
            /** @description The agent. */
            agent: string;
            clock: components["schemas"]["ClockName"] | null;
            /** @description One per step that has data, ascending. */
            columns: components["schemas"]["HeatmapColumn"][];
            /** @description What was read. */
            coverage: components["schemas"]["CoverageAnswer"];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description Reports that will never come, with the cause. */
            gaps: components["schemas"]["Gap"][];
            /** @description The one load label behind every number. */
            load: components["schemas"]["LoadName"];
            /** @description The one method behind every number. */
            method: components["schemas"]["MethodName"];
            /** @description Rows from the shortest delay up, fitted to the data; empty without delays. */
            rows: components["schemas"]["HeatmapRow"][];
            /**
             * Format: int32
             * @description Length of one column.
             */
            step_s: number;
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description A column: one step that has data. */
        HeatmapColumn: {
            /** @description Pairs of row number (from 0) and number of delays; rows without delays are left out. */
            counts: [
                number,
                number
            ][];
            /**
             * Format: int64
             * @description Probes not answered within the waiting time (RFC 7680).
             */
            lost: number;
            /**
             * Format: int64
             * @description Delays counted in this column.
             */
            n: number;
            /**
             * Format: int64
             * @description Probes sent.
             */
            sent: number;
            /** @description Start of the step. */
            start_at: components["schemas"]["UtcInstant"];
        };
        /** @description A row: the delays `low_us..=high_us`. Rows ascend and are logarithmically spaced. */
        HeatmapRow: {
            /**
             * Format: int32
             * @description Longest delay of the row.
             */
            high_us: number;
            /**
             * Format: int32
             * @description Shortest delay of the row.
             */
            low_us: number;
        };
        /** @description What answered at one distance. */
        HopView: {
            /** @description Who answered; empty when nobody did, several where routers share the load. */
            addresses: string[];
            /**
             * Format: int32
             * @description Those answered. Routers answer only so often: this is no loss of the path.
             */
            answered: number;
            /**
             * Format: int32
             * @description The distance in routers, from 1.
             */
            hop: number;
            /**
             * Format: int32
             * @description Median round-trip delay in microseconds.
             */
            median_us?: number | null;
            /**
             * Format: int32
             * @description Shortest round-trip delay in microseconds.
             */
            min_us?: number | null;
            /**
             * Format: int32
             * @description Packets sent to this distance.
             */
            sent: number;
        };
        /** @description One incident. */
        IncidentAnswer: {
            acknowledged?: components["schemas"]["AcknowledgedAnswer"] | null;
            /** @description `id`s of the alerts it speaks for, or spoke for. */
            alerts: string[];
            /** @description What is to blame. */
            culprit: components["schemas"]["CulpritAnswer"];
            /** @description How it was over: `recovered`, `new_baseline` or `retired`. */
            ending?: string | null;
            /**
             * Format: int64
             * @description How often it has fired.
             */
            episode: number;
            /** @description How sure it is. */
            evidence: components["schemas"]["IncidentEvidence"];
            fired_at?: components["schemas"]["UtcInstant"] | null;
            /** @description Its name in this API. */
            id: string;
            /** @description In what it shows: `delay`, `loss` or both. */
            kinds: string[];
            /** @description The series it explains. */
            members: components["schemas"]["MemberAnswer"][];
            regressed_at?: components["schemas"]["UtcInstant"] | null;
            resolved_at?: components["schemas"]["UtcInstant"] | null;
            /** @description How urgent: as the most urgent of its members' rules. */
            severity: string;
            /** @description All of its members are silenced, or it is. */
            silenced: boolean;
            since?: components["schemas"]["UtcInstant"] | null;
            /** @description `pending`, `firing`, `recovering` or `resolved`. */
            state: string;
            /** @description Whether somebody was, or is to be, told of this episode. */
            told: boolean;
            /** @description Agents that had no vote, and what ails them: `clock`, `cpu` or `access_line`. */
            vetoed: {
                [key: string]: string;
            };
        };
        /** @description Why it is thought so. */
        IncidentEvidence: {
            /**
             * Format: double
             * @description Median of the members' levels before.
             */
            before?: number | null;
            /**
             * Format: double
             * @description Log likelihood ratio of the explanation, less its price; 7 is the least. 0 for a sick agent.
             */
            gain: number;
            /** @description Series of the culprit that were heard when it was named. */
            heard: number;
            /** @description The unit of both: `ms` or `percent`. */
            unit?: string | null;
            /**
             * Format: double
             * @description Median of the members' levels when it was named.
             */
            value?: number | null;
            /** @description Of which so many are worse. */
            worse: number;
        };
        /** @description Incidents. */
        IncidentsAnswer: {
            evaluated_to?: components["schemas"]["UtcInstant"] | null;
            /** @description Those that fire first, then the latest first. */
            incidents: components["schemas"]["IncidentAnswer"][];
            /** @description When this was true. */
            now: components["schemas"]["UtcInstant"];
            /** @description How many there are, of which those beyond the limit are not listed. */
            total: number;
        };
        /** @description What comes in. */
        IngestStatus: {
            /**
             * Format: double
             * @description Bytes of bodies read per second, lately; null in the first second.
             */
            body_bytes_per_s: number | null;
            /**
             * Format: int64
             * @description Bytes of bodies that are being read or examined.
             */
            held_bytes: number;
            /**
             * Format: int64
             * @description Most bytes of bodies at once.
             */
            held_bytes_most: number;
            /**
             * Format: int64
             * @description Bodies they came in.
             */
            queued_bodies: number;
            /**
             * Format: int64
             * @description Most bodies that may wait.
             */
            queued_bodies_most: number;
            /**
             * Format: int64
             * @description Bytes that wait for a commit.
             */
            queued_bytes: number;
            /**
             * Format: int64
             * @description Most bytes that may wait.
             */
            queued_bytes_most: number;
            /**
             * Format: int64
             * @description Reports and tombstones that wait for a commit, or are being committed.
             */
            queued_reports: number;
            /**
             * Format: int64
             * @description Reports and tombstones stored since the start.
             */
            stored: number;
            /**
             * Format: double
             * @description Reports and tombstones stored per second, lately; null in the first second.
             */
            stored_per_s: number | null;
        };
        /** @description Asks to join. */
        JoinRequest: {
            /** @description The name it would like; made from the site and the key when absent. */
            agent?: string | null;
            /** @description A challenge. */
            challenge: string;
            /** @description The agent's Ed25519 public key, base64url. */
            public_key: string;
            /** @description The secret of the token, base64url. */
            secret: string;
            /** @description Over challenge and key, base64url. */
            signature: string;
        };
        /** @description A token to join with; never its secret. */
        JoinTokenAnswer: {
            /** @description Until when it is good, by the collector's clock. */
            expires_at: components["schemas"]["UtcInstant"];
            /** @description What it is called; says nothing of its secret. */
            id: string;
            /** @description When it was made. */
            made_at: components["schemas"]["UtcInstant"];
            revoked_at: components["schemas"]["UtcInstant"] | null;
            /** @description Where its agents stand. */
            site: string;
            /** @description Whether somebody may join with it now. */
            state: components["schemas"]["TokenState"];
            /**
             * Format: int32
             * @description How many agents may join with it.
             */
            uses: number;
            /**
             * Format: int32
             * @description How many more may.
             */
            uses_left: number;
        };
        /** @description A token that was made. */
        JoinTokenMade: {
            /** @description What the collector keeps of it. */
            entry: components["schemas"]["JoinTokenAnswer"];
            /** @description The token: told this once. */
            token: string;
        };
        /** @description Tokens to join with. */
        JoinTokensAnswer: {
            door: components["schemas"]["DoorAnswer"] | null;
            /** @description Tokens that are over and not told here. */
            left_out: number;
            /** @description By the collector's clock. */
            now: components["schemas"]["UtcInstant"];
            /** @description Those that are open and the last 50 that are over, newest first. */
            tokens: components["schemas"]["JoinTokenAnswer"][];
        };
        /** @description The host is an agent now. */
        Joined: {
            /** @description Its name. */
            agent: string;
            /** @description Where its token says it stands. */
            site: string;
        };
        /** @description An agent that joined. */
        JoinedAgent: {
            /** @description Its name. */
            agent: string;
            /**
             * Format: int64
             * @description How often two processes were found to have its key.
             */
            copied: number;
            copied_at: components["schemas"]["UtcInstant"] | null;
            /** @description When it joined. */
            joined_at: components["schemas"]["UtcInstant"];
            revoked_at: components["schemas"]["UtcInstant"] | null;
            /** @description Where its token says it stands. */
            site: string;
            /** @description The id of the token it came with. */
            token: string;
        };
        /** @description Agents that joined. */
        JoinedAgentsAnswer: {
            /** @description By name, those that were put out as well. */
            agents: components["schemas"]["JoinedAgent"][];
        };
        /** @description Asks for another key. */
        KeyRequest: {
            /** @description The agent. */
            agent: string;
            /** @description A challenge. */
            challenge: string;
            /** @description The same by the new key. */
            new_signature: string;
            /** @description Its new public key, base64url. */
            public_key: string;
            /** @description By the key it has, over challenge, agent and the new key, base64url. */
            signature: string;
        };
        /**
         * @description A label.
         * @enum {string}
         */
        Label: "agent" | "city" | "country" | "network" | "provider" | "region" | "zone" | "metro" | "method" | "load" | "address" | "phase" | "answer" | "flow";
        /**
         * @description What held the sender back.
         * @enum {string}
         */
        LimitName: "network" | "receive_window" | "send_buffer" | "sender";
        /**
         * @description What else the path carried while a delay was measured.
         * @enum {string}
         */
        LoadName: "idle" | "self_load" | "post_load";
        /** @description One maintenance window. */
        MaintenanceAnswer: {
            /** @description Its name. */
            name: string;
            /** @description Whether it is open now. */
            open: boolean;
            /** @description Which rules; all when empty. */
            rules: string[];
            /** @description Which series. */
            select: {
                [key: string]: string[];
            };
        };
        /** @description `GET /api/v1/map` */
        MapAnswer: {
            /** @description One per agent and zone that has data, ordered by agent, then zone. */
            cells: components["schemas"]["MapCell"][];
            /** @description What was read. */
            coverage: components["schemas"]["CoverageAnswer"];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description When an agent that should have been seen here was silent, and why; by agent, then start. */
            gaps: components["schemas"]["AgentGap"][];
            /** @description The one load label behind every number. */
            load: components["schemas"]["LoadName"];
            /** @description The one method behind every number. */
            method: components["schemas"]["MethodName"];
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
        };
        /** @description What one agent saw of one zone, by one method under one load label. */
        MapCell: components["schemas"]["Facts"] & {
            /** @description The agent. */
            agent: string;
            clock: components["schemas"]["ClockName"] | null;
            /** @description How exactly the targets stand for the zone: the vaguest of those merged here. */
            granularity: components["schemas"]["GranularityName"];
            /**
             * Format: double
             * @description lost / sent; null when nothing was sent.
             */
            loss_ratio: number | null;
            /**
             * Format: int64
             * @description Probes not answered within the waiting time (RFC 7680).
             */
            lost: number;
            /**
             * Format: int32
             * @description Longest round-trip delay.
             */
            max_us: number | null;
            /**
             * Format: int32
             * @description Shortest round-trip delay.
             */
            min_us: number | null;
            /**
             * Format: int64
             * @description Delays in the histogram the quantiles were taken from.
             */
            n: number;
            /**
             * Format: int32
             * @description Median round-trip delay (nearest rank).
             */
            p50_us: number | null;
            /**
             * Format: int32
             * @description 90th percentile.
             */
            p90_us: number | null;
            /**
             * Format: int32
             * @description 99th percentile.
             */
            p99_us: number | null;
            /**
             * Format: int64
             * @description Probes answered within the waiting time.
             */
            returned: number;
            /**
             * Format: int64
             * @description Probes sent.
             */
            sent: number;
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description One series of an incident. */
        MemberAnswer: {
            /**
             * Format: double
             * @description Level before.
             */
            before: number;
            /** @description In what it got worse: `delay` or `loss`. */
            kind: string;
            /** @description The rule that watches it. */
            rule: string;
            /**
             * Format: double
             * @description Standard score of the difference.
             */
            score: number;
            /** @description Its labels. */
            series: {
                [key: string]: string;
            };
            /** @description The unit of both: `ms` or `percent`. */
            unit: string;
            /**
             * Format: double
             * @description Level when it was taken in, as the median of its last minutes.
             */
            value: number;
        };
        /**
         * @description How a delay was obtained. Two methods are never merged into one number.
         * @enum {string}
         */
        MethodName: "stamp" | "icmp_echo" | "tcp_connect" | "tls_handshake" | "https_first_byte" | "dns_query";
        /** @description A stretch of the asked range that is not covered. */
        MissingStretch: {
            /** @description Why: `retention` or `damaged`. */
            cause: string;
            /** @description Its start. */
            from: components["schemas"]["UtcInstant"];
            /** @description Its end. */
            to: components["schemas"]["UtcInstant"];
        };
        /** @description The newest test of one agent, zone and direction that says something; the newest failed one when all failed. */
        NewestThroughput: {
            /**
             * Format: int64
             * @description Median delay under load minus median delay before it, in microseconds.
             */
            added_delay_us: number | null;
            /** @description The agent. */
            agent: string;
            /** @description When its load ended. */
            at: components["schemas"]["UtcInstant"];
            /**
             * Format: int64
             * @description Bits per second over the last half after the ramp-up; null when every test failed.
             */
            bps: number | null;
            /** @description The sender's congestion control; null when it was not told. */
            congestion_control: string | null;
            /** @description Which way the octets went. */
            direction: components["schemas"]["DirectionName"];
            /**
             * Format: int64
             * @description Those that failed.
             */
            failed: number;
            /** @description How `bps` is to be read. */
            reading: components["schemas"]["ReadingName"];
            /**
             * Format: int64
             * @description Tests in the window, failed ones included.
             */
            tests: number;
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description What the paths of a map carry. */
        NewestThroughputAnswer: {
            /** @description One per agent, zone and direction that was tested. */
            cells: components["schemas"]["NewestThroughput"][];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
        };
        /** @description Delays between the clocks of an agent and its reflectors (RFC 7679). */
        OneWayFacts: {
            /**
             * Format: double
             * @description Mean delay back, likewise.
             */
            back_mean_us: number | null;
            /**
             * Format: double
             * @description How far either of the two may be off: what both clocks say of themselves (RFC 8762 section 4.2.1), on average, less
             *     what the round trip leaves no room for.
             */
            error_us: number;
            /**
             * Format: int64
             * @description Probes behind them: both ends said that their clock is synchronised, and the kernel stamped at both.
             */
            n: number;
            /**
             * Format: double
             * @description Mean delay from the agent to the reflector; null when the clocks are not good enough to tell.
             */
            out_mean_us: number | null;
        };
        /**
         * @description Whose an endpoint is.
         * @enum {string}
         */
        OwnershipName: "provider" | "third_party" | "own";
        /** @description A change of path. */
        PathChange: {
            /** @description The path after. */
            after: components["schemas"]["PathView"];
            /** @description When the trace that bore it out ended: the change itself came before. */
            at: components["schemas"]["UtcInstant"];
            /** @description The path before. */
            before: components["schemas"]["PathView"];
            /** @description Distances at which the two differ, from 1; a silent hop differs from nothing. */
            differs_at: number[];
            /** @description What made the agent look. */
            reason: components["schemas"]["ReasonName"];
        };
        /** @description The hops of one trace. */
        PathView: {
            /** @description One for each distance, nearest first. */
            hops: components["schemas"]["HopView"][];
            /** @description Whether the last hop is the target. */
            reached: boolean;
        };
        /** @description The paths of one pair. */
        PathsAnswer: {
            /** @description The agent. */
            agent: string;
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description One for each target and method that is traced, by target. */
            targets: components["schemas"]["TargetPaths"][];
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
            /** @description The zone. */
            zone: string;
        };
        /** @description A point of the percentile curve. */
        Percentile: {
            /**
             * Format: double
             * @description Share of delays, 0 to 1.
             */
            quantile: number;
            /**
             * Format: int32
             * @description The delay that this share does not exceed (nearest rank).
             */
            value_us: number;
        };
        /**
         * @description Which part of an exchange delays are of. Two phases are never merged into one number.
         * @enum {string}
         */
        PhaseName: "whole" | "dns" | "connect" | "tls" | "request" | "first_byte";
        /** @description The probes of one phase. */
        PhaseSummary: {
            /**
             * Format: int32
             * @description Those lost.
             */
            lost: number;
            /**
             * Format: int64
             * @description Delays behind the quantiles.
             */
            n: number;
            /**
             * Format: int32
             * @description Median round-trip delay in microseconds.
             */
            p50_us?: number | null;
            /**
             * Format: int32
             * @description 95th percentile in microseconds.
             */
            p95_us?: number | null;
            /**
             * Format: int32
             * @description 99th percentile in microseconds.
             */
            p99_us?: number | null;
            /**
             * Format: int32
             * @description Probes sent.
             */
            sent: number;
        };
        /** @description A plan on its way. */
        PlanAnswer: {
            /** @description The plan, as a text of JSON: what is signed is this very text. */
            plan: string;
            /** @description The collector's Ed25519 signature over it for the agent that asked, base64url. */
            signature: string;
        };
        /** @description The plan in force. */
        PlanInForceAnswer: {
            /** @description Agents that joined and were not put out. */
            agents: number;
            /** @description Of these, how many refuse something of it. */
            agents_refusing: number;
            /** @description Of these, how many say that they measure by this version. */
            agents_running: number;
            /** @description Since when it is in force. */
            changed_at: components["schemas"]["UtcInstant"];
            /** @description What is measured by whom. */
            entries: components["schemas"]["EntryLine"][];
            /** @description Whether the collector's configuration names one; without, agents measure what their own say. */
            is_configured: boolean;
            /** @description Whether nothing is to be sent by anybody. */
            is_stopped: boolean;
            /** @description The Ed25519 public key it is signed with, base64url: agents know it from their token. */
            signed_by: string;
            /**
             * Format: int64
             * @description Its version.
             */
            version: number;
        };
        /** @description What went wrong, for a person (`title`, `detail`) and for a program (`status`, `reason`). */
        Problem: {
            /** @description What exactly, where, and what to do about it. */
            detail: string;
            /** @description A stable word for programs and counters. */
            reason: string;
            /**
             * Format: int32
             * @description The HTTP status that this problem answers with, or would answer with if it stood alone.
             */
            status: number;
            /** @description The HTTP status in words. */
            title: string;
            /** @description Always `about:blank`: the reason says more than a link would. */
            type: string;
        };
        /** @description What was read about one certification on one day. */
        QualificationAnswer: {
            /** @description The day it was read, `YYYY-MM-DD`. */
            as_of: string;
            /** @description How sure it is. */
            confidence: components["schemas"]["ConfidenceName"];
            /** @description For example `SecNumCloud`. */
            scheme: string;
            /** @description What it covers; empty for all. */
            scope: string;
            /** @description Where it was read. */
            source: string;
            /** @description For example `held`, `not held`, `in progress`. */
            status: string;
        };
        /**
         * @description How a rate is to be read.
         * @enum {string}
         */
        ReadingName: "estimate" | "lower_bound" | "failed";
        /**
         * @description What made an agent look at a path.
         * @enum {string}
         */
        ReasonName: "scheduled" | "delay_shift";
        /** @description Something that was refused or lost. */
        Refusal: {
            /** @description What: `item` (a report or tombstone), `body`, `query`, `connection` or `store`. */
            kind: string;
            /**
             * Format: int64
             * @description How many lately.
             */
            lately: number;
            /** @description Why, in the words of the problem that was answered and of `/metrics`. */
            reason: string;
            /** @description More exactly: the verdict, the endpoint, `refused` or `unavailable`; empty where there is no more to say. */
            subject: string;
            /**
             * Format: int64
             * @description How many since the start.
             */
            total: number;
        };
        /** @description Records of a stored report that were not stored, because their series are not admitted. */
        RefusedRecords: {
            /**
             * Format: int32
             * @description Of series of which too many are new; later records of theirs will be stored.
             */
            new_series_rate: number;
            /**
             * Format: int32
             * @description Of series that would be too many.
             */
            series_limit: number;
        };
        /**
         * @description What a caller may do; ordered, so that more is greater.
         * @enum {string}
         */
        Role: "read" | "operate" | "administer";
        /** @description One rule. */
        RuleAnswer: {
            /** @description `regression`, `threshold`, `absence` or `objective`. */
            condition: string;
            /** @description Of those, not these. */
            except: {
                [key: string]: string[];
            };
            /**
             * Format: int64
             * @description How long its condition must hold, in seconds.
             */
            for_s: number;
            /**
             * Format: int64
             * @description How long it must have gone, in seconds.
             */
            keep_firing_for_s: number;
            /** @description Its name. */
            name: string;
            /** @description How many of its alerts fire or recover. */
            open: number;
            /** @description Where its alerts go. */
            route: string;
            /** @description Which series: values of each label; empty for every series. */
            select: {
                [key: string]: string[];
            };
            /** @description How urgent: `info`, `warning` or `critical`. */
            severity: string;
        };
        /** @description Rules and maintenance windows. */
        RulesAnswer: {
            /** @description When nobody wants to hear of what. */
            maintenance: components["schemas"]["MaintenanceAnswer"][];
            /** @description In the order of their files. */
            rules: components["schemas"]["RuleAnswer"][];
        };
        /** @description `GET /api/v1/series` */
        SeriesAnswer: {
            /** @description The agent. */
            agent: string;
            /** @description What was read. */
            coverage: components["schemas"]["CoverageAnswer"];
            /**
             * Format: int32
             * @description The one flow behind every number; null when all are merged.
             */
            flow: number | null;
            /** @description The flows (source ports) by which this pair is or was measured, ascending. */
            flows: number[];
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description Reports that will never come, with the cause. */
            gaps: components["schemas"]["Gap"][];
            /** @description The one load label behind every number. */
            load: components["schemas"]["LoadName"];
            /** @description The one method behind every number. */
            method: components["schemas"]["MethodName"];
            /** @description One per step that has data, ascending. */
            points: components["schemas"]["SeriesPoint"][];
            /**
             * Format: int32
             * @description Length of one step.
             */
            step_s: number;
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
            /** @description The zone, `provider/region/zone`. */
            zone: string;
        };
        /** @description One step that has data. A step without data has no point. */
        SeriesPoint: components["schemas"]["Facts"] & {
            /**
             * Format: int64
             * @description Probes not answered within the waiting time (RFC 7680).
             */
            lost: number;
            /**
             * Format: int32
             * @description Longest round-trip delay.
             */
            max_us: number | null;
            /**
             * Format: int32
             * @description Shortest round-trip delay.
             */
            min_us: number | null;
            /**
             * Format: int64
             * @description Delays in the histogram the quantiles were taken from.
             */
            n: number;
            /**
             * Format: int32
             * @description 10th percentile (nearest rank).
             */
            p10_us: number | null;
            /**
             * Format: int32
             * @description Median.
             */
            p50_us: number | null;
            /**
             * Format: int32
             * @description 90th percentile.
             */
            p90_us: number | null;
            /**
             * Format: int32
             * @description 99th percentile.
             */
            p99_us: number | null;
            /**
             * Format: int64
             * @description Probes answered within the waiting time.
             */
            returned: number;
            /**
             * Format: int64
             * @description Probes sent.
             */
            sent: number;
            /** @description Start of the step. */
            start_at: components["schemas"]["UtcInstant"];
        };
        /** @description Who asks, and what they may do. */
        SessionAnswer: {
            /** @description Whether logging in with a password is possible here. */
            can_log_in: boolean;
            /** @description Whether there is a session to end. */
            can_log_out: boolean;
            /** @description Whether anybody may look, with places blurred. */
            is_public: boolean;
            /** @description What they are called; null for anybody. */
            name: string | null;
            role: components["schemas"]["Role"] | null;
            /** @description What the identity provider is called that people can sign in with, at `/api/v1/oidc/login`; null if there is none. */
            sign_in_with: string | null;
        };
        /** @description A name and a password. */
        SessionBody: {
            /** @description The user's name. */
            name: string;
            /** @description The user's password. */
            password: string;
        };
        /** @description A session. */
        SessionOpened: {
            /** @description To be sent as `Authorization: Bearer`. */
            bearer: string;
            /**
             * Format: int64
             * @description How long it is good, in seconds.
             */
            expires_in_s: number;
        };
        /** @description Asks for a session. */
        SessionRequest: {
            /** @description The agent. */
            agent: string;
            /** @description A challenge. */
            challenge: string;
            /** @description A name that its process made up when it started: two of them at once with one key are a copied identity. */
            instance: string;
            /** @description Over challenge, agent and instance, base64url. */
            signature: string;
        };
        /** @description A throughput ticket. */
        SignedTicket: {
            /** @description To be shown to the reflector as `access_token`, once. */
            ticket: string;
        };
        /** @description One silence. */
        SilenceAnswer: {
            /** @description Who. */
            by: string;
            /** @description Why. */
            comment: string;
            /** @description From when. */
            from: components["schemas"]["UtcInstant"];
            /**
             * Format: int64
             * @description Its number.
             */
            id: number;
            /** @description Alerts of which rule; of all when null. */
            rule?: string | null;
            /** @description Alerts of which series. */
            select: {
                [key: string]: string[];
            };
            /** @description `pending`, `active` or `expired`. */
            state: string;
            /** @description Until when. */
            until: components["schemas"]["UtcInstant"];
        };
        /** @description A silence to begin. */
        SilenceBody: {
            /** @description Who; at most 100 characters. */
            by: string;
            /** @description Why; at most 1000 characters. */
            comment?: string;
            /** @description From when; now when absent. */
            from?: string | null;
            /** @description Alerts of which rule; of all when absent. */
            rule?: string | null;
            /** @description Alerts of which series: values of each label; of every series when it is empty. */
            select?: {
                [key: string]: string[];
            };
            /** @description Until when: an instant such as `2026-11-23T10:00:00Z`. */
            until: string;
        };
        /** @description Silences. */
        SilencesAnswer: {
            /** @description Those to come, those in force, and those that ended within a week. */
            silences: components["schemas"]["SilenceAnswer"][];
        };
        /** @description `GET /api/v1/snapshots/{id}` */
        SnapshotAnswer: {
            /** @description What was asked and answered. */
            answers: components["schemas"]["SnapshotAnswered"][];
            /** @description When it was kept. */
            created_at: components["schemas"]["UtcInstant"];
            /** @description Its id. */
            id: string;
            /** @description What people call it. */
            title: string;
            /** @description The address of the view. */
            view: string;
        };
        /** @description A question, and what was answered then. */
        SnapshotAnswered: {
            /** @description The answer, as it was; null when it was refused. */
            answer: Record<string, never>;
            /** @description Why it was refused; null when it was answered. */
            refused: string | null;
            /** @description The question, from `/api/v1/`. */
            url: string;
        };
        /** @description A view to keep. */
        SnapshotBody: {
            /** @description What the view asks, each from `/api/v1/`, times absolute; at most 24. */
            questions: string[];
            /** @description What people call it. */
            title: string;
            /** @description The address of the view, from the first slash, its times absolute. */
            view: string;
        };
        /** @description A snapshot without its answers. */
        SnapshotHead: {
            /**
             * Format: int64
             * @description Bytes it takes.
             */
            bytes: number;
            /** @description When it was kept. */
            created_at: components["schemas"]["UtcInstant"];
            /** @description Its id. */
            id: string;
            /** @description Who kept it; null when an earlier release did, or when nobody is known here. */
            kept_by: string | null;
            /** @description What people call it. */
            title: string;
            /** @description The address of the view. */
            view: string;
        };
        /** @description `GET /api/v1/snapshots` */
        SnapshotsAnswer: {
            /** @description The newest first. */
            snapshots: components["schemas"]["SnapshotHead"][];
        };
        /**
         * @description Whether anything needs a person.
         * @enum {string}
         */
        State: "healthy" | "degraded";
        /** @description How the collector fares. */
        StatusAnswer: {
            /** @description Who delivers. */
            agents: components["schemas"]["FleetStatus"];
            /** @description How long it takes to make it durable. */
            commits: components["schemas"]["CommitStatus"];
            /** @description What needs one, most urgent first. */
            concerns: components["schemas"]["ConcernAnswer"][];
            /** @description What comes in. */
            ingest: components["schemas"]["IngestStatus"];
            /**
             * Format: int64
             * @description What `lately` means below, in seconds: five minutes (up to 15 s more), or since the start.
             */
            lately_s: number;
            /** @description The collector's clock. */
            now: components["schemas"]["UtcInstant"];
            /** @description Everything that was refused or lost, by name; what happened lately first. */
            refusals: components["schemas"]["Refusal"][];
            /** @description Whether anything needs a person. */
            state: components["schemas"]["State"];
            /** @description What is kept. */
            store: components["schemas"]["StoreStatus"];
            /**
             * Format: int64
             * @description How long it has run, in seconds.
             */
            uptime_s: number;
            /** @description The release of this collector. */
            version: string;
        };
        /**
         * @description Why a test ended.
         * @enum {string}
         */
        StopName: "stable" | "byte_cap" | "time_cap" | "aborted" | "peer_closed" | "stalled" | "refused" | "unreachable" | "malformed" | "losses";
        /** @description What is kept. */
        StoreStatus: {
            /**
             * Format: double
             * @description Days until the disk is full: see `estimate`.
             */
            days_until_full: number | null;
            /**
             * Format: int64
             * @description What the store takes on disk.
             */
            disk_bytes: number;
            /** @description What `days_until_full` rests on, or why it is null. */
            estimate: components["schemas"]["Estimate"];
            /**
             * Format: int64
             * @description Damaged files that were set aside and kept.
             */
            files_set_aside: number;
            /**
             * Format: int64
             * @description What the file system has left for this process; null when it does not say.
             */
            free_bytes: number | null;
            /**
             * Format: double
             * @description By how much the store grows in a day now; null while less than an hour is sealed.
             */
            growth_bytes_per_day: number | null;
            /**
             * Format: int64
             * @description What of it is the file of reports that are not sealed yet.
             */
            hot_bytes: number;
            oldest_unsealed_hour_at: components["schemas"]["UtcInstant"] | null;
            /**
             * Format: int64
             * @description How long sealing is behind what is due, in seconds. 0 when it is not.
             */
            sealing_behind_s: number;
            /** @description What is sealed, finest tier first. */
            tiers: components["schemas"]["TierStatus"][];
            /**
             * Format: int64
             * @description What the file system holds in all.
             */
            total_bytes: number | null;
            /**
             * Format: int64
             * @description Hours that are not rolled up yet.
             */
            unsealed_hours: number;
            /** @description Whether the last write went through. */
            writable: boolean;
        };
        /** @description The path to one target. */
        TargetPaths: {
            /** @description Its address, `ip:port`. */
            address: string;
            /** @description Changes in the window, oldest first. */
            changes: components["schemas"]["PathChange"][];
            current?: components["schemas"]["ToldPath"] | null;
            /** @description How it is traced: the method of its packets. */
            method: components["schemas"]["MethodName"];
            /** @description The target. */
            target: string;
        };
        /** @description The throughput tests of one pair. */
        ThroughputAnswer: {
            /** @description The agent. */
            agent: string;
            /** @description Start of the window. */
            from: components["schemas"]["UtcInstant"];
            /** @description The tests, oldest first. */
            tests: components["schemas"]["ThroughputTest"][];
            /** @description End of the window, exclusive. */
            to: components["schemas"]["UtcInstant"];
            /** @description The zone. */
            zone: string;
        };
        /** @description One test. */
        ThroughputTest: {
            /**
             * Format: int64
             * @description Median delay under load minus median delay before it, in microseconds.
             */
            added_delay_us?: number | null;
            /** @description The address whose probes went beside it, `ip:port`. */
            address: string;
            /** @description When its load ended. */
            at: components["schemas"]["UtcInstant"];
            /**
             * Format: int64
             * @description Bits per second over the last half after the ramp-up; null when the test failed.
             */
            bps?: number | null;
            /**
             * Format: int64
             * @description Octets moved.
             */
            bytes: number;
            /** @description The clock of the delays. */
            clock: components["schemas"]["ClockName"];
            /** @description The sender's congestion control; null when it was not told. */
            congestion_control?: string | null;
            /** @description Which way the octets went. */
            direction: components["schemas"]["DirectionName"];
            /** @description Probes after the load. */
            drained: components["schemas"]["PhaseSummary"];
            /**
             * Format: int32
             * @description How long the load lasted, in microseconds.
             */
            duration_us: number;
            /** @description Probes before the load. */
            idle: components["schemas"]["PhaseSummary"];
            limited_by?: components["schemas"]["LimitName"] | null;
            /** @description Probes during the load. */
            loaded: components["schemas"]["PhaseSummary"];
            /**
             * Format: int32
             * @description The shortest round trip the connection saw, in microseconds; null when the sender told nothing.
             */
            min_rtt_us?: number | null;
            /** @description How `bps` is to be read. */
            reading: components["schemas"]["ReadingName"];
            /**
             * Format: int64
             * @description Round trips a minute under load, from the mean delay of the UDP probes.
             */
            responsiveness_rpm?: number | null;
            /**
             * Format: int64
             * @description Octets sent more than once; null when the sender told nothing.
             */
            retransmitted_bytes?: number | null;
            /** @description Why it ended. */
            stop: components["schemas"]["StopName"];
            /** @description The target. */
            target: string;
        };
        /** @description Asks for a throughput ticket. */
        TicketRequest: {
            /** @description The agent. */
            agent: string;
            /** @description A challenge of the collector. */
            challenge: string;
            /** @description Over challenge, agent and what the ticket says, base64url. */
            signature: string;
            /**
             * @description What the ticket is to say: `2:AGENT:REFLECTOR:DIRECTION:OCTETS:MS:BPS:GOOD_FOR_MS:CHALLENGE`, the challenge being the
             *     reflector's.
             */
            ticket: string;
        };
        /** @description One level of detail. */
        TierStatus: {
            /**
             * Format: int64
             * @description What it takes on disk.
             */
            bytes: number;
            /**
             * Format: double
             * @description Bytes it is given in a day, from its last sealed week; null while less than an hour is sealed.
             */
            bytes_per_day: number | null;
            from: components["schemas"]["UtcInstant"] | null;
            /**
             * Format: int64
             * @description How long it is kept, in seconds; null for ever.
             */
            kept_s: number | null;
            /** @description `10s`, `1min`, `1h` or `1day`. */
            tier: string;
            to: components["schemas"]["UtcInstant"] | null;
        };
        /** @description A stretch of the asked range, and the tier that answered it. */
        TierStretch: {
            /** @description Its start. */
            from: components["schemas"]["UtcInstant"];
            /** @description `10s`, `1min`, `1h` or `1day`. */
            tier: string;
            /** @description Its end. */
            to: components["schemas"]["UtcInstant"];
        };
        /**
         * @description Whether somebody may join with a token.
         * @enum {string}
         */
        TokenState: "open" | "used_up" | "expired" | "revoked";
        /** @description A token to make. */
        TokenWanted: {
            /** @description Where agents reach the collector: `https://HOST:PORT`, `unix:PATH`, or `http://` on the collector's own machine. */
            address: string;
            /** @description Agents may come in the clear over a network, because something else protects the way. */
            allow_plain_http?: boolean;
            /** @description Where its agents stand; their names begin with it. 1 to 48 lower-case letters, digits and hyphens. */
            site: string;
            /** @description The authorities of the agent's system in any case: a proxy stands in front. */
            system_authorities?: boolean;
            /**
             * @description SHA-256 of the public key of whoever ends TLS, base64url. Without, that of the collector's own door where it made its
             *     key itself, else the authorities of the agent's system.
             */
            tls_pin?: string | null;
            /**
             * Format: int64
             * @description For how long, at most 366 days.
             */
            ttl_ms: number;
            /**
             * Format: int32
             * @description How many may join, 1 to 10,000.
             */
            uses: number;
        };
        /** @description A path, and when the agent told it. */
        ToldPath: {
            /** @description When the trace that showed it ended. */
            at: components["schemas"]["UtcInstant"];
            /** @description One for each distance, nearest first. */
            hops: components["schemas"]["HopView"][];
            /** @description Whether the last hop is the target. */
            reached: boolean;
        };
        /**
         * @description By what delays are told apart.
         * @enum {string}
         */
        Trait: "address" | "flow" | "hour" | "method" | "load";
        /**
         * Format: date-time
         * @description An instant in UTC. Written in JSON as ISO 8601, for example `2026-11-23T10:00:00Z`.
         * @example 2026-11-23T10:00:00Z
         */
        UtcInstant: string;
        /** @description Where an agent stands, as its owner declared it. */
        VantagePointAnswer: {
            /**
             * Format: int32
             * @description Autonomous system number; 0 when not known.
             */
            asn: number;
            /** @description City, in its local spelling. */
            city: string;
            /** @description ISO 3166-1 alpha-2. */
            country: string;
            /**
             * Format: double
             * @description WGS 84 latitude in degrees, north positive.
             */
            latitude: number;
            /**
             * Format: double
             * @description WGS 84 longitude in degrees, east positive.
             */
            longitude: number;
            /** @description The name people read. */
            name: string;
            /** @description Access network (ISP) by name. */
            network: string;
        };
        /** @description The verdict on one item. */
        Verdict: {
            /**
             * Format: int64
             * @description The item's epoch; null when the item could not be read so far.
             */
            epoch: number | null;
            problem?: components["schemas"]["Problem"] | null;
            refused_records?: components["schemas"]["RefusedRecords"] | null;
            /**
             * Format: int64
             * @description The item's sequence (of a tombstone: its first); null when the item could not be read so far.
             */
            sequence: number | null;
            /** @description What became of it. */
            verdict: components["schemas"]["VerdictKind"];
        };
        /**
         * @description What became of an item, and so what its agent does with it.
         * @enum {string}
         */
        VerdictKind: "stored" | "duplicate" | "refused" | "manifest_wanted" | "retry";
        /** @description The answer to a body of reports. */
        Verdicts: {
            /** @description Names the plan of the agent that reports, to one that has joined: when it is not the one it has, it fetches it. */
            plan?: string | null;
            /** @description One per item, in the order of the items. */
            verdicts: components["schemas"]["Verdict"][];
        };
        /**
         * @description Why there is no p-value.
         * @enum {string}
         */
        Why: "not_enough" | "no_shared_clock";
        /** @description One zone that is measured. Names and places are null for a zone the catalogue does not know. */
        ZoneAnswer: {
            /** @description City. */
            city: string | null;
            /**
             * Format: double
             * @description How far off the coordinates may be, in kilometres.
             */
            coordinate_accuracy_km: number | null;
            /** @description ISO 3166-1 alpha-2. */
            country: string | null;
            /**
             * Format: double
             * @description WGS 84 latitude in degrees, north positive.
             */
            latitude: number | null;
            /**
             * Format: double
             * @description WGS 84 longitude in degrees, east positive.
             */
            longitude: number | null;
            /** @description Methods by which it is measured. */
            methods: components["schemas"]["MethodName"][];
            /** @description Metropolitan area to group by; the region id for a zone the catalogue does not know. */
            metro: string;
            /** @description Provider id. */
            provider: string;
            /** @description Provider name. */
            provider_name: string | null;
            /** @description Region id, as the provider writes it. */
            region: string;
            /** @description Region name. */
            region_name: string | null;
            /** @description `provider/region/zone`, as everywhere. */
            zone: string;
            /** @description Zone id, as the provider writes it. */
            zone_id: string;
        };
        /** @description `GET /api/v1/zones` */
        ZonesAnswer: {
            /** @description Every zone that some agent measures, by name. */
            zones: components["schemas"]["ZoneAnswer"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    challenge: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChallengeRequest"];
            };
        };
        responses: {
            /** @description A challenge. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Challenge"];
                };
            };
            /** @description The body is not understood. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KeyRequest"];
            };
        };
        responses: {
            /** @description It has the new key, or had it already. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Joined"];
                };
            };
            /** @description The body is not understood. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not this agent; `reason` says why. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plan: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The plan of the agent that asks; `ETag` names it. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanAnswer"];
                };
            };
            /** @description It is the one that `If-None-Match` names. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The session is not good, or there is none. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The store cannot be read, so nobody knows where the agent stands. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionRequest"];
            };
        };
        responses: {
            /** @description A session. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionOpened"];
                };
            };
            /** @description The body is not understood. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not this agent: unknown, revoked, a wrong proof, or a copied identity; `reason` says which. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    ticket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TicketRequest"];
            };
        };
        responses: {
            /** @description The ticket, signed. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedTicket"];
                };
            };
            /** @description The body is not understood. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not this agent; `reason` says why. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description For another agent, or for more than a ticket is good for. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many within the hour. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    agents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every agent ever heard, and how it fares. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentsAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    alerts: {
        parameters: {
            query?: {
                /** @description Only alerts in this state: `inactive`, `pending`, `firing`, `recovering`, `resolved`; may be repeated. */
                state?: string[];
                /** @description Only alerts of this rule. */
                rule?: string;
                /** @description Only the alert of this name. */
                id?: string;
                /** @description Only alerts about series of this vantage point. */
                agent?: string;
                /** @description Only alerts about series to this zone, `provider/region/zone`. */
                zone?: string;
                /** @description How many to list: 0 to 10000, default 1000. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The alerts. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertsAnswer"];
                };
            };
            /** @description A parameter is unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries wait; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    acknowledge: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The alert's `id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AcknowledgeBody"];
            };
        };
        responses: {
            /** @description The alert, acknowledged; durable. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertAnswer"];
                };
            };
            /** @description The body cannot be understood; the detail says why. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not asked from this machine, or by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such alert. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The alert does not fire. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    api_tokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tokens; never their texts. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiTokensAnswer"];
                };
            };
            /** @description The role is missing. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    make_api_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ApiTokenWanted"];
            };
        };
        responses: {
            /** @description The token, good from now on; durable. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiTokenMade"];
                };
            };
            /** @description The body cannot be understood, or something in it is wrong; the detail says what. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The role is missing, or asked by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no account yet, so nobody could log in after it. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revoke_api_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The token's `name`. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is good for nothing any more; durable. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The role is missing, or asked by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such token. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backup: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description Another backup is being taken. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    catalogue: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What is known of providers, zones and public endpoints, with dates and sources. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CatalogueAnswer"];
                };
            };
            /** @description It has no parameters. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    compare: {
        parameters: {
            query?: {
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. At most 366 d before `to`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description Start of the window it is held against. Default `now-25h`. */
                baseline_from?: string;
                /** @description End of the window it is held against, exclusive. Default `now-24h`. The windows may not overlap. */
                baseline_to?: string;
                /** @description The one method to compare. Default `stamp`. */
                method?: components["schemas"]["MethodName"];
                /** @description Only these agents; may be repeated. */
                agent?: string[];
                /** @description Only these zones, `provider/region/zone`; may be repeated. */
                zone?: string[];
                /** @description The one load label to compare. Default `idle`. */
                load?: components["schemas"]["LoadName"];
                /** @description Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged. */
                flow?: number[];
                /** @description Only vantage points in these cities; may be repeated. */
                city?: string[];
                /** @description Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated. */
                country?: string[];
                /** @description Only vantage points in these access networks, `AS3215` or by name; may be repeated. */
                network?: string[];
                /** @description Only zones of these providers; may be repeated. */
                provider?: string[];
                /** @description Only zones of these regions, `provider/region`; may be repeated. */
                region?: string[];
                /** @description Only zones in these metropolitan areas of the catalogue; may be repeated. */
                metro?: string[];
                /** @description `json` (default) or `csv`: the pairs alone. */
                format?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One row per agent and zone with data in either window. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompareAnswer"];
                    "text/csv": string;
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range, or there are too many pairs; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing is stored under a value. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, the query took too long, or the store cannot be read; `Retry-After`, if there, says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    distribution: {
        parameters: {
            query: {
                /** @description The agent. */
                agent: string;
                /** @description The zone, `provider/region/zone`. */
                zone: string;
                /** @description The one method to show. Default `stamp`. */
                method?: components["schemas"]["MethodName"];
                /** @description The one load label to show. Default `idle`. */
                load?: components["schemas"]["LoadName"];
                /** @description Only this flow (source port), from 0. Default: all, merged; `flows` of `GET /api/v1/series` lists them. */
                flow?: number;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One pair over one window: the whole distribution. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DistributionAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent or zone. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    explain: {
        parameters: {
            query: {
                /** @description The agent. */
                agent: string;
                /** @description The zone, `provider/region/zone`. */
                zone: string;
                /** @description The method of the heat map. Default `stamp`. */
                method?: components["schemas"]["MethodName"];
                /** @description The load label of the heat map. Default `idle`. */
                load?: components["schemas"]["LoadName"];
                /** @description The flow (source port) of the heat map, from 0. Default: all. */
                flow?: number;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description Start of the rectangle, written like `from`; brought out to a whole 10 s. */
                inside_from: string;
                /** @description End of the rectangle, exclusive, written like `from`; brought out to a whole 10 s. */
                inside_to: string;
                /** @description Shortest delay of the rectangle. Default 0. */
                low_us?: number;
                /** @description Longest delay of the rectangle. Default: the longest there may be. */
                high_us?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What stands out. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExplainAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent or zone. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    export: {
        parameters: {
            query: {
                /** @description `csv`: counts and quantiles. `hlog`: an HdrHistogram interval log, whole histograms in microseconds. `parquet`: counts, quantiles and bins. */
                format: string;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description One record per series and step of this length, a multiple of 10s; read from the coarsest tier that fits. Default: intervals as they were reported, which are kept for a week. */
                step?: string;
                /** @description Only these methods; may be repeated. Default all. */
                method?: components["schemas"]["MethodName"][];
                /** @description Only these load labels; may be repeated. Default all. */
                load?: components["schemas"]["LoadName"][];
                /** @description Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged. */
                flow?: number[];
                /** @description Only these agents; may be repeated. */
                agent?: string[];
                /** @description Only vantage points in these cities; may be repeated. */
                city?: string[];
                /** @description Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated. */
                country?: string[];
                /** @description Only vantage points in these access networks, `AS3215` or by name; may be repeated. */
                network?: string[];
                /** @description Only zones of these providers; may be repeated. */
                provider?: string[];
                /** @description Only zones of these regions, `provider/region`; may be repeated. */
                region?: string[];
                /** @description Only these zones, `provider/region/zone`; may be repeated. */
                zone?: string[];
                /** @description Only zones in these metropolitan areas of the catalogue; may be repeated. */
                metro?: string[];
                /** @description Only these addresses probed, without port; may be repeated. */
                address?: string[];
                /** @description Only these parts of the exchange; may be repeated. Default all. */
                phase?: components["schemas"]["PhaseName"][];
                /** @description Only these kinds of answer; may be repeated. Default all. */
                answer?: components["schemas"]["AnswerName"][];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The records. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                    "text/plain": string;
                    "application/vnd.apache.parquet": number[];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing is stored under a value. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Another export is being written, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    joined_agents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The agents, by name. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JoinedAgentsAnswer"];
                };
            };
            /** @description The role is missing. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revoke_agent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The agent's name. */
                agent: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is out; durable. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The role is missing, or asked by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No agent of this name has joined. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plan_in_force: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The plan. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanInForceAnswer"];
                };
            };
            /** @description The store cannot be read, so nobody knows where agents stand. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    join_tokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tokens; never their secrets. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JoinTokensAnswer"];
                };
            };
            /** @description The role is missing. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    make_join_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenWanted"];
            };
        };
        responses: {
            /** @description The token; durable. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JoinTokenMade"];
                };
            };
            /** @description The body cannot be understood, or something in it is wrong; the detail says what. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The role is missing, or asked by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revoke_join_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The token's `id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is ended; durable. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The role is missing, or asked by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such token. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    groups: {
        parameters: {
            query?: {
                /** @description The labels that make a group; repeated, or with commas: `country,provider`. Default none: everything is one group. */
                group_by?: components["schemas"]["Label"][];
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description One row per group and step of this length, a multiple of 10s; steps of whole weeks (7d) begin on Monday. Default: one row per group. At most 50000 groups times steps. */
                step?: string;
                /** @description Only this method, default `stamp`. When grouped by method: only these, default all. */
                method?: components["schemas"]["MethodName"][];
                /** @description Only this load label, default `idle`. When grouped by load: only these, default all. */
                load?: components["schemas"]["LoadName"][];
                /** @description Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged. */
                flow?: number[];
                /** @description Only these agents; may be repeated. */
                agent?: string[];
                /** @description Only vantage points in these cities; may be repeated. */
                city?: string[];
                /** @description Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated. */
                country?: string[];
                /** @description Only vantage points in these access networks, `AS3215` or by name; may be repeated. */
                network?: string[];
                /** @description Only zones of these providers; may be repeated. */
                provider?: string[];
                /** @description Only zones of these regions, `provider/region`; may be repeated. */
                region?: string[];
                /** @description Only these zones, `provider/region/zone`; may be repeated. */
                zone?: string[];
                /** @description Only zones in these metropolitan areas of the catalogue; may be repeated. */
                metro?: string[];
                /** @description Only these addresses probed, without port; may be repeated. */
                address?: string[];
                /** @description Only these parts of the exchange; may be repeated. Default `whole`, unless grouped by. */
                phase?: components["schemas"]["PhaseName"][];
                /** @description Only these kinds of answer; may be repeated. Default `ordinary`, unless grouped by. */
                answer?: components["schemas"]["AnswerName"][];
                /** @description `json` (default) or `csv`: the rows alone. */
                format?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was seen by everything that shares some labels. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GroupsAnswer"];
                    "text/csv": string;
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range, or the answer would be too large; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing is stored under a value. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, the query took too long, or the store cannot be read; `Retry-After`, if there, says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    heatmap: {
        parameters: {
            query: {
                /** @description The agent. */
                agent: string;
                /** @description The zone, `provider/region/zone`. */
                zone: string;
                /** @description The one method to show. Default `stamp`. */
                method?: components["schemas"]["MethodName"];
                /** @description The one load label to show. Default `idle`. */
                load?: components["schemas"]["LoadName"];
                /** @description Only this flow (source port), from 0. Default: all, merged; `flows` of `GET /api/v1/series` lists them. */
                flow?: number;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description Length of one column, a multiple of 10s; at most 400 columns in the window. Default: the shortest usual one that fits. */
                step?: string;
                /** @description Most rows of the heat map, 1 to 160. Default 80. */
                rows?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One pair over time and delay: how many delays fell into each cell. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HeatmapAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent or zone. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    incidents: {
        parameters: {
            query?: {
                /** @description Only incidents in this state: `pending`, `firing`, `recovering`, `resolved`; may be repeated. */
                state?: string[];
                /** @description How many to list: 0 to 10000, default 1000. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The incidents. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IncidentsAnswer"];
                };
            };
            /** @description A parameter is unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries wait; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    join: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JoinRequest"];
            };
        };
        responses: {
            /** @description It is an agent now, or was already. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Joined"];
                };
            };
            /** @description The body is not understood. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token or the proof is not good; `reason` says why. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The name is taken. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    map: {
        parameters: {
            query?: {
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-5m` (units s, m, h, d). Default `now-5m`. At most 366 d before `to`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description The one method to show. Default `stamp`. */
                method?: components["schemas"]["MethodName"];
                /** @description Only these agents; may be repeated. */
                agent?: string[];
                /** @description Only these zones, `provider/region/zone`; may be repeated. */
                zone?: string[];
                /** @description The one load label to show. Default `idle`. */
                load?: components["schemas"]["LoadName"];
                /** @description Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged. */
                flow?: number[];
                /** @description Only vantage points in these cities; may be repeated. */
                city?: string[];
                /** @description Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated. */
                country?: string[];
                /** @description Only vantage points in these access networks, `AS3215` or by name; may be repeated. */
                network?: string[];
                /** @description Only zones of these providers; may be repeated. */
                provider?: string[];
                /** @description Only zones of these regions, `provider/region`; may be repeated. */
                region?: string[];
                /** @description Only zones in these metropolitan areas of the catalogue; may be repeated. */
                metro?: string[];
                /** @description Only these addresses probed, without port; may be repeated. */
                address?: string[];
                /** @description Only this part of the exchange. Default `whole`. */
                phase?: components["schemas"]["PhaseName"];
                /** @description Only these kinds of answer; may be repeated. Default `ordinary`. */
                answer?: components["schemas"]["AnswerName"][];
                /** @description `json` (default) or `csv`: the cells alone. */
                format?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Vantage points by zones over one window. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MapAnswer"];
                    "text/csv": string;
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent or zone. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    callback: {
        parameters: {
            query?: {
                /** @description What the provider gave. */
                code?: string;
                /** @description What it was given. */
                state?: string;
                /** @description The provider, where it says so (RFC 9207). */
                iss?: string;
                /** @description Why the provider gave nothing. */
                error?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description To the page asked for, with a cookie, or to the login screen with the word of a refusal in `sign_in`. */
            303: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description No provider is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    login: {
        parameters: {
            query?: {
                /** @description The page to come back to, a path of this collector; `/` if left out. */
                return_to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description To the provider, or to the login screen with the word of a refusal in `sign_in`. */
            303: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description No provider is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
        };
    };
    paths: {
        parameters: {
            query: {
                /** @description The agent. */
                agent: string;
                /** @description The zone, `provider/region/zone`. */
                zone: string;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-24h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One entry for each target that is traced; none when the agent traces none. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PathsAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    reports: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description A batch, version 1 of the wire form; at most 1 MiB. */
        requestBody: {
            content: {
                "application/x-protobuf": number[];
            };
        };
        responses: {
            /** @description One verdict per item, in the order of the items. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verdicts"];
                };
            };
            /** @description The body is not a batch; nothing was stored. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The session is not good, or a session is needed; nothing was stored. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The session is of another agent; nothing was stored. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body, or something in it, is too large; nothing was stored. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not application/x-protobuf. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The collector failed at the body, by a fault of its own that the same body would meet again; nothing was stored. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description This agent has too much waiting to be made durable; nothing was stored. Send it again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not now; nothing is known to be stored. Send it again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The rules. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RulesAnswer"];
                };
            };
            /** @description There are no parameters here. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries wait; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    series: {
        parameters: {
            query: {
                /** @description The agent. */
                agent: string;
                /** @description The zone, `provider/region/zone`. */
                zone: string;
                /** @description The one method to show. Default `stamp`. */
                method?: components["schemas"]["MethodName"];
                /** @description The one load label to show. Default `idle`. */
                load?: components["schemas"]["LoadName"];
                /** @description Only this flow (source port), from 0. Default: all, merged; `flows` of `GET /api/v1/series` lists them. */
                flow?: number;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description Length of one step, a multiple of 10s; at most 5000 steps in the window. Default: the shortest usual one that makes at most 360. */
                step?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One pair over time, and the gaps whose cause is known. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SeriesAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent or zone. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    who: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who asks, and what they may do. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
        };
    };
    log_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionBody"];
            };
        };
        responses: {
            /** @description Logged in; the cookie says so from now on. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
            /** @description The body cannot be understood. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Name or password are wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Asked by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many tries; `Retry-After` says when to try again. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    log_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description There is no session any more. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    silences: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The silences. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SilencesAnswer"];
                };
            };
            /** @description There are no parameters here. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries wait; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    silence: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SilenceBody"];
            };
        };
        responses: {
            /** @description The silence; durable. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SilenceAnswer"];
                };
            };
            /** @description The body cannot be understood; the detail says why. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not asked from this machine, or by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There are too many silences. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    unsilence: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The silence's `id`. */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone; durable. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Not asked from this machine, or by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such silence. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    snapshots: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The snapshots, the newest first. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SnapshotsAnswer"];
                };
            };
        };
    };
    keep: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SnapshotBody"];
            };
        };
        responses: {
            /** @description The snapshot; durable. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SnapshotHead"];
                };
            };
            /** @description The body cannot be understood, or names a question that cannot be kept; the detail says why. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not asked from this machine, or by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no room for another snapshot. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body, or what the view shows, is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A question cannot be answered now, or the snapshot not be written. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    snapshot: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The snapshot's `id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The answers behind the view. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SnapshotAnswer"];
                };
            };
            /** @description There is no such snapshot. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Its file cannot be read. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    forget: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The snapshot's `id`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone; durable. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Not asked from this machine, or by a page of another site. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such snapshot. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be removed. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    status: {
        parameters: {
            query?: {
                /** @description How many agents to name, worst first: 0 to 10000, default 20. */
                agents?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How the collector fares, also when it is degraded. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusAnswer"];
                };
            };
            /** @description A parameter is unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The store cannot be read, or too many queries wait; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    throughput: {
        parameters: {
            query: {
                /** @description The agent. */
                agent: string;
                /** @description The zone, `provider/region/zone`. */
                zone: string;
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-24h`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tests, oldest first; none when the agent tests nothing. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ThroughputAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description No such agent. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    newest: {
        parameters: {
            query?: {
                /** @description Start of the window: `2026-11-23T10:00:00Z`, or `now-24h` (units s, m, h, d). Default `now-24h`. At most 366 d before `to`. */
                from?: string;
                /** @description End of the window, exclusive, written like `from`. Default `now`. */
                to?: string;
                /** @description Only these agents; may be repeated. */
                agent?: string[];
                /** @description Only these zones, `provider/region/zone`; may be repeated. */
                zone?: string[];
                /** @description Only vantage points in these cities; may be repeated. */
                city?: string[];
                /** @description Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated. */
                country?: string[];
                /** @description Only vantage points in these access networks, `AS3215` or by name; may be repeated. */
                network?: string[];
                /** @description Only zones of these providers; may be repeated. */
                provider?: string[];
                /** @description Only zones of these regions, `provider/region`; may be repeated. */
                region?: string[];
                /** @description Only zones in these metropolitan areas of the catalogue; may be repeated. */
                metro?: string[];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description By agent, zone and direction; none where nobody tests. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewestThroughputAnswer"];
                };
            };
            /** @description A parameter is unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing is stored under a name asked for. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    zones: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every zone that is measured, joined with the catalogue. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ZonesAnswer"];
                };
            };
            /** @description A parameter is missing, unknown, repeated or out of range; the detail says what is allowed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many queries at once, or the store cannot be read; `Retry-After` says when to try again. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    healthz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Prometheus text format 0.0.4; or, for who asks for it with `Accept`, length-delimited `io.prometheus.client.MetricFamily`, which alone carries native histograms. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain; version=0.0.4": string;
                    "application/vnd.google.protobuf": number[];
                };
            };
        };
    };
    readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The store is open and writable. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description It is not. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
