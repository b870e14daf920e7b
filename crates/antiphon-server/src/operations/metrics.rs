//! Figures as OpenMetrics text. Each is explained in `docs/operations.md`, and no name may change.
//!
//! The numbers are taken first and put into text afterwards, so nothing waits for the text.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_broker::BOUNDS;
use antiphon_broker::End;
use antiphon_broker::Kind;
use antiphon_broker::Limit;
use antiphon_broker::PathFigures;
use antiphon_broker::Refusal;
use antiphon_broker::Stats;
use antiphon_wire::service::events::CloseReason;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::MetricEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::auth::Counted;
use crate::auth::HeldUp;
use crate::door::Refused;
use crate::operations::audit;
use crate::operations::figures::seconds;
use crate::operations::figures::snake;
use crate::operations::process::Process;
use crate::operations::waits::Waited;
use crate::readiness::Readiness;
use crate::shared::Shared;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures of this moment. It visits every session, but holds none up.
pub(super) fn text(shared: &Shared) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot::of(shared)));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Snapshot {
    stats: Stats,
    paths: Vec<PathFigures>,
    connections: u64,
    waited: Waited,
    failed: Vec<([String; 1], u64)>,
    turned_away: Vec<(Refused, u64)>,
    handshakes_waited: u64,
    authentications: Vec<(String, Counted)>,
    held_up: HeldUp,
    blocked: Histogram,
    filters: Histogram,
    audit: audit::Counts,
    state: Readiness,
    process: Process,
}

impl Snapshot {
    fn of(shared: &Shared) -> Self {
        let figures = &shared.figures;
        Self {
            stats: shared.broker.stats(),
            paths: shared.broker.path_figures(),
            connections: figures.connections.load(Relaxed),
            waited: shared.waits.waited(),
            failed: figures.failed.counts(),
            turned_away: shared.door.refusals().collect(),
            handshakes_waited: shared.door.waits(),
            authentications: shared.authenticators.results(),
            held_up: shared.authenticators.held_up(),
            blocked: figures.blocked.clone(),
            filters: figures.filters.clone(),
            audit: shared.audit.counts(),
            state: shared.readiness.get(),
            process: Process::look(),
        }
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.requests(&mut page)?;
        self.ledger(&mut page)?;
        self.sessions(&mut page)?;
        self.filters(&mut page)?;
        self.server(&mut page)?;
        self.process(&mut page)
    }
}

impl Snapshot {
    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut requests = page.counter(
            "antiphon_requests",
            "Accepted requests that ended, by kind, registered path and outcome",
        )?;
        for figures in &self.paths {
            for end in End::ALL {
                let count = figures.ended(*end);
                // Rows that are 0 for ever would be most of them.
                if count > 0 || *end == End::Responded {
                    let labels = [row(figures)[0], row(figures)[1], ("outcome", end.name())];
                    requests.count(&labels, count)?;
                }
            }
        }
        let mut times = page.family(
            "antiphon_request_seconds",
            "How long requests wait to be written, and from handing them to their recipients to the answers, in steps of a millisecond",
            MetricType::Histogram,
        )?;
        times.milliseconds(&[("part", "queue")], self.waited.milliseconds, self.waited.buckets)?;
        for figures in &self.paths {
            let labels = [row(figures)[0], row(figures)[1], ("part", "handler")];
            times.milliseconds(&labels, figures.milliseconds, figures.answers)?;
        }
        let mut handlers = page.gauge("antiphon_handlers", "Handlers, by registered path")?;
        for figures in self.paths.iter().filter(|figures| figures.kind == Kind::Path) {
            handlers.value(&[row(figures)[1]], figures.handlers)?;
        }
        Ok(())
    }

    fn ledger(&self, page: &mut Page<'_>) -> fmt::Result {
        let ledger = &self.stats.ledger;
        let help = "Requests that were accepted: each has one end, or is in flight";
        let mut accepted = page.counter("antiphon_requests_accepted", help)?;
        for kind in Kind::ALL {
            accepted.count(&[("kind", kind.name())], ledger.accepted(*kind))?;
        }
        let help = "Accepted requests that ended, by outcome";
        let mut ended = page.counter("antiphon_requests_ended", help)?;
        for end in End::ALL {
            ended.count(&[("outcome", end.name())], ledger.ended(*end))?;
        }
        let help = "Accepted requests that wait for their end";
        page.gauge("antiphon_requests_in_flight", help)?.value(&[], ledger.in_flight)?;
        let help =
            "Requests that audits found to be lost or to have ended twice: a defect if not 0";
        page.counter("antiphon_ledger_mismatches", help)?.count(&[], self.stats.mismatched)?;
        let help = "Answers that came too late, twice, or to nothing";
        page.counter("antiphon_stray_answers", help)?.count(&[], self.stats.stray_answers)?;
        let help = "Service calls that were refused before anything was done, by reason";
        let mut refused = page.counter("antiphon_refused", help)?;
        for refusal in Refusal::ALL {
            let reason = ("reason", refusal.name());
            let requests = self.stats.refused_requests(*refusal);
            refused.count(&[("call", "request"), reason], requests)?;
            let others = self.stats.refused_calls(*refusal);
            refused.count(&[("call", "other"), reason], others)?;
        }
        let mut limits = page.counter("antiphon_limits_exceeded", "How often limits were met")?;
        for limit in Limit::ALL {
            limits.count(&[("limit", limit.name())], self.stats.exceeded(*limit))?;
        }
        limits.count(&[("limit", "handshakes")], self.handshakes_waited)?;
        Ok(())
    }

    fn sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.stats;
        let mut sessions = page.gauge("antiphon_sessions", "Open sessions, by state")?;
        sessions.value(&[("state", "connected")], stats.connected as u64)?;
        let away = stats.sessions.saturating_sub(stats.connected);
        sessions.value(&[("state", "disconnected")], away as u64)?;
        let help = "Sessions whose socket takes no more bytes";
        page.gauge("antiphon_sessions_blocked", help)?.value(&[], stats.blocked as u64)?;
        page.counter("antiphon_sessions_opened", "Sessions that were opened")?
            .count(&[], stats.opened)?;
        let help = "Sessions that came back after they lost their connection, by how";
        let mut back = page.counter("antiphon_sessions_reconnected", help)?;
        back.count(&[("how", "resumed")], stats.resumed)?;
        back.count(&[("how", "began_anew")], stats.restarted)?;
        let mut closed =
            page.counter("antiphon_sessions_closed", "Sessions that ended, by reason")?;
        for reason in CLOSE_REASONS {
            closed.count(&[("reason", &snake(reason))], stats.closed(reason))?;
        }
        let help = "Bytes that wait for sessions, in all";
        page.gauge("antiphon_outbound_queue_bytes", help)?.value(&[], stats.queued_bytes)?;
        let help = "How long sockets took no bytes while some waited to be written";
        page.histogram("antiphon_outbound_blocked_seconds", help, &self.blocked)
    }

    fn filters(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.stats;
        page.counter("antiphon_filters", "Filters that were compared with sessions")?
            .count(&[], stats.filters)?;
        page.counter("antiphon_filter_compared_sessions", "Sessions compared with filters")?
            .count(&[], stats.filtered)?;
        page.counter("antiphon_filter_matched_sessions", "Sessions that matched filters")?
            .count(&[], stats.matched)?;
        let help = "From a request to a filter to having handed it to every session that matches";
        page.histogram("antiphon_filter_seconds", help, &self.filters)
    }

    fn server(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter("antiphon_connections", "Connections that were accepted")?
            .count(&[], self.connections)?;
        let help = "Connections that did not become a session, by reason";
        let mut failed = page.counter("antiphon_handshakes_failed", help)?;
        for ([reason], count) in &self.failed {
            failed.count(&[("reason", reason)], *count)?;
        }
        for (reason, count) in &self.turned_away {
            failed.count(&[("reason", reason.label())], *count)?;
        }
        let help = "Decisions whether to let a client in, by authenticator";
        let mut authentications = page.counter("antiphon_authentications", help)?;
        for (link, counted) in &self.authentications {
            for (result, count) in counted.by_verdict() {
                authentications.count(&[("link", link), ("result", result)], count)?;
            }
        }
        let help =
            "Clients that were not asked for credentials at once, since attempts had failed before";
        let mut held_up = page.counter("antiphon_authentication_attempts", help)?;
        held_up.count(&[("result", "refused")], self.held_up.refused)?;
        held_up.count(&[("result", "delayed")], self.held_up.delayed)?;
        let help = "How long authenticators took, in all";
        let mut took = page.counter("antiphon_authentication_seconds", help)?;
        for (link, counted) in &self.authentications {
            took.seconds(&[("link", link)], counted.took.as_secs_f64())?;
        }
        let mut audit = page.counter("antiphon_audit_events", "Events for the audit log")?;
        audit.count(&[("result", "written")], self.audit.written)?;
        audit.count(&[("result", "dropped")], self.audit.dropped)?;
        audit.count(&[("result", "failed")], self.audit.failed)?;
        let help = "1 for the state that the server is in";
        let mut state = page.gauge("antiphon_state", help)?;
        for each in Readiness::ALL {
            state.value(&[("state", each.name())], u64::from(each == self.state))?;
        }
        let mut build = page.family("antiphon_build", "Which program this is", MetricType::Info)?;
        build.0.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }

    /// Under the names that programs of every kind use.
    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let process = &self.process;
        if let Some(cpu) = process.cpu_seconds {
            page.family(
                "process_cpu_seconds",
                "User and system time that was spent",
                MetricType::Counter,
            )?
            .0
            .encode_counter::<NoLabelSet, _, f64>(&cpu, None)?;
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", process.virtual_bytes),
            ("process_threads", "Threads", process.threads),
            ("process_open_fds", "Open files and sockets", process.open_files),
            ("process_max_fds", "The limit on open files and sockets", process.most_files),
        ] {
            if let Some(value) = value {
                page.gauge(name, help)?.value(&[], value)?;
            }
        }
        Ok(())
    }
}

/// The labels of a row: the registered path, `other` for all that share one, and none for requests to sessions and
/// filters.
fn row(figures: &PathFigures) -> [(&'static str, &str); 2] {
    let path = match (&figures.path, figures.kind) {
        (Some(path), _) => path,
        (None, Kind::Path) => OTHER,
        (None, _) => "",
    };
    [("kind", figures.kind.name()), ("path", path)]
}

/// Writes families one after the other.
struct Page<'a>(DescriptorEncoder<'a>);

/// Writes the values of one family.
struct Family<'a>(MetricEncoder<'a>);

impl Page<'_> {
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        of: MetricType,
    ) -> Result<Family<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, of).map(Family)
    }

    fn counter<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Family<'s>, fmt::Error> {
        self.family(name, help, MetricType::Counter)
    }

    fn gauge<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Family<'s>, fmt::Error> {
        self.family(name, help, MetricType::Gauge)
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        histogram.encode(self.0.encode_descriptor(name, help, None, MetricType::Histogram)?)
    }
}

type Labels<'l> = &'l [(&'l str, &'l str)];

impl Family<'_> {
    fn count(&mut self, labels: Labels<'_>, value: u64) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_counter::<NoLabelSet, _, f64>(&value, None);
        }
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn seconds(&mut self, labels: Labels<'_>, value: f64) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// A histogram with [`BOUNDS`].
    fn milliseconds<const N: usize>(
        &mut self,
        labels: Labels<'_>,
        sum: u64,
        counts: [u64; N],
    ) -> fmt::Result {
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(counts).collect();
        self.0.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
            seconds(sum),
            counts.iter().sum(),
            &buckets,
            None,
        )
    }

    fn value(&mut self, labels: Labels<'_>, value: u64) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_gauge(&value);
        }
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }
}

/// A registered path has segments, so this cannot be one's last word; see `MAX_PATHS` of the broker.
const OTHER: &str = "/other/";

/// Those that the broker or the server gives.
const CLOSE_REASONS: [CloseReason; 14] = [
    CloseReason::ConnectionLost,
    CloseReason::IoException,
    CloseReason::ClientUnresponsive,
    CloseReason::MessageQueueLimitReached,
    CloseReason::ClosedByClient,
    CloseReason::MessageTooLarge,
    CloseReason::InternalError,
    CloseReason::InvalidInboundMessage,
    CloseReason::Aborted,
    CloseReason::LostMessages,
    CloseReason::ClosedByController,
    CloseReason::Expired,
    CloseReason::Revoked,
    CloseReason::SessionTakenOver,
];
