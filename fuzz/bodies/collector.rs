//! A whole collector but for its sockets: router, ingest and embedded store, with a clock that stands still. One for all
//! inputs of a run, as a real one meets them.

#[path = "../../collector/tests/binary/fleet.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
pub(crate) mod fleet;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::Request;
use azimuth_collector::access::files::AccessFiles;
use azimuth_collector::access::guard::Guard;
use azimuth_collector::access::settings;
use azimuth_collector::api::context::Context;
use azimuth_collector::api::router;
use azimuth_collector::evaluate::desk::Desk;
use azimuth_collector::fleet::Fleet;
use azimuth_collector::ingest::Ingest;
use azimuth_collector::metrics::Metrics;
use azimuth_collector::plan::desk::PlanDesk;
use azimuth_collector::snapshot::Snapshots;
use azimuth_collector::status::Watch;
use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{Retention, SeriesLimits, Store};
use azimuth_measurement::Manifest;
use tower::ServiceExt as _;

use self::fleet::{body, manifest, report, slot_before};

/// 2026-11-23T10:00:00Z.
pub(crate) const NOW: u64 = 1_795_428_000_000;
/// Small, so that the inputs of a long run find them full.
const LIMITS: SeriesLimits = SeriesLimits {
    series: 64,
    series_per_agent: 16,
    new_per_hour: 32,
    new_per_agent_per_hour: 8,
    new_manifests_per_agent_per_hour: 8,
};

pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    app: axum::Router,
    _directory: tempfile::TempDir,
}

/// An answer: its status and its body.
pub(crate) type Answer = (u16, Vec<u8>);

/// The agent whose measurements are in the store from the start.
pub(crate) fn known() -> Manifest {
    manifest("a", 3)
}

impl World {
    /// The one of this process.
    pub(crate) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::new)
    }

    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = EmbeddedStore::open(directory.path(), Retention::default(), NOW).expect("openable");
        let store: Arc<dyn Store> = Arc::new(store.with_series_limits(LIMITS));
        let metrics = Arc::new(Metrics::default());
        let ingest = Ingest::start(Arc::clone(&store), Arc::clone(&metrics)).expect("a thread");
        let watch = Watch::new(
            azimuth_collector::clock::monotonic(),
            directory.path().to_owned(),
            Retention::default(),
        );
        let desk = Desk::open(
            directory.path(),
            Arc::default(),
            Arc::clone(&metrics.alerting),
            NOW,
        )
        .expect("openable");
        let files = AccessFiles::new(directory.path());
        let guard = Guard::open(files, settings::Settings::default(), || NOW);
        let snapshots = Snapshots::open(directory.path()).expect("openable");
        let context = Context::new(
            store,
            ingest,
            metrics,
            Arc::new(watch),
            Arc::new(desk),
            Arc::new(guard.expect("openable")),
            Arc::new(snapshots),
            Arc::new(Fleet::open(directory.path(), false).expect("openable")),
            Arc::new(PlanDesk::open(directory.path(), Arc::default(), NOW).expect("openable")),
            || NOW,
        )
        .with_query_timeout(Duration::from_secs(60));
        let world = Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            app: router(Arc::new(context)),
            _directory: directory,
        };
        let manifest = known();
        let reports: Vec<_> = (1..=12)
            .map(|sequence| report(&manifest, sequence, slot_before(NOW, 14 - sequence), &[500, 700]))
            .collect();
        let (status, _) = world.post(body(&[&manifest], &reports, NOW));
        assert_eq!(status, 200);
        world
    }

    pub(crate) fn post(&self, body: Vec<u8>) -> Answer {
        let request = Request::post("/api/v1/reports").header("content-type", "application/x-protobuf");
        self.ask(request.body(Body::from(body)).expect("a request"))
    }

    pub(crate) fn ask(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let answer = self.app.clone().oneshot(request).await;
            let answer = answer.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            let mut body = answer.into_body();
            let mut bytes = Vec::new();
            while let Some(frame) =
                std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
            {
                let frame = frame.expect("an answer has no way to fail here");
                bytes.extend(frame.into_data().unwrap_or_default());
            }
            (status, bytes)
        })
    }
}
