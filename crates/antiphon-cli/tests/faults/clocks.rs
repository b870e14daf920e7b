//! Clocks that jump: the wall clock, which must not matter to any deadline, and the time that a server does not notice
//! because it stands still.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use antiphon::ErrorKind;
use antiphon::SessionEvent;
use tempfile::TempDir;

use crate::fifo::Fifo;
use crate::process::Handler;
use crate::stage::ANYWHERE;
use crate::stage::PATIENT;
use crate::stage::Stage;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;
use crate::stage::expect_error;
use crate::stage::within;

/// A wall clock that can be put forward and back, for one process.
struct WallClock {
    folder: TempDir,
}

impl WallClock {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/wall_clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("clock.so"));
        assert!(compiler.arg(source).status().unwrap().success());
        let clock = Self { folder };
        clock.put(0);
        clock
    }

    /// What a shell has to do for the process that it becomes.
    fn preload(&self) -> String {
        let (library, file) = (self.folder.path().join("clock.so"), self.file());
        format!("export LD_PRELOAD='{}' WALL_CLOCK='{}'", library.display(), file.display())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("seconds")
    }

    /// Puts it ahead of the right time by so many years.
    fn put(&self, years: i64) {
        let new = self.folder.path().join("new");
        fs::write(&new, (years * 365 * 86_400).to_string()).unwrap();
        fs::rename(new, self.file()).unwrap();
    }
}

/// The year in which the server believes that a new session began.
async fn year_of_a_session(stage: &Stage) -> i64 {
    let session = stage.join().await;
    let properties = within(session.properties()).await.unwrap();
    let milliseconds: i64 = properties["$StartTime"].parse().unwrap();
    1970 + milliseconds / 1000 / (365 * 86_400)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_jumps_ends_nothing_and_delays_nothing() {
    let clock = WallClock::make();
    let late = [("PATH_1_PATH", "orders/late"), ("PATH_1_TIMEOUT", "400ms")];
    let pings = [("PING_PERIOD", "500ms"), ("LIVENESS_MISSED_PINGS", "8")];
    let settings = [&PATIENT[..], &late, &pings].concat();
    let stage = Stage::prepared(&clock.preload(), ANYWHERE, &settings);
    let fifo = Fifo::make();
    let mut slow = Handler::start(&stage, &["orders", "--exec", &fifo.wait_at("orders/slow")]);
    let sender = stage.join().await;
    let mut events = sender.events();
    let flying = {
        let sender = sender.clone();
        let request = async move {
            let messaging = sender.messaging();
            messaging.send_request_to_path::<String>("orders/slow", "x").await
        };
        tokio::spawn(request)
    };
    slow.event("request");
    let idle = Handler::start(&stage, &["orders/late", "--echo", "--delay", "1h"]);
    let now = year_of_a_session(&stage).await;
    for years in [20, -20, 0] {
        clock.put(years);
        let year = year_of_a_session(&stage).await;
        assert!((year - now - years).abs() <= 1, "the jump does not come to the server: {year}");
        expect_error(ask(&sender, "orders/late", 1).await, 102);
    }
    fifo.release();
    assert_eq!(within(flying).await.unwrap().unwrap(), "released");
    assert_eq!(stage.settle(), 4);
    assert_eq!(stage.ended("timed_out"), 3);
    // Nobody was thrown out: this is how it began, and the next is its end.
    assert!(matches!(within(events.next()).await, Some(SessionEvent::Connected(_))));
    within(sender.close()).await;
    assert!(matches!(within(events.next()).await, Some(SessionEvent::Closed(_))));
    drop(idle);
    stage.end_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stood_still_blames_nobody_and_ends_what_is_late() {
    let silence = [("PING_PERIOD", "3s"), ("LIVENESS_MISSED_PINGS", "2")];
    let late = [("PATH_1_PATH", "late"), ("PATH_1_TIMEOUT", "2s")];
    let stage = Stage::open(&[&PATIENT[..], &silence, &late].concat());
    let (handler, sender) = (stage.join().await, stage.join().await);
    let (_registration, _seen) = echo(&handler, "orders").await;
    let mut idle = Handler::start(&stage, &["late", "--echo", "--delay", "1h"]);
    let mut events = [handler.events(), sender.events()];
    let flying = ask_many(&sender, "late", 0..20);
    for _ in 0..20 {
        idle.event("request");
    }
    assert_eq!(ask(&sender, "orders", 0).await.unwrap(), 0);
    // The fault itself: longer than the server bears silence, and shorter than the clients do.
    stage.signal("STOP");
    sleep(Duration::from_secs(7));
    stage.signal("CONT");
    for request in flying {
        expect_error(request.await.unwrap(), 102);
    }
    assert_eq!(ask(&sender, "orders", 1).await.unwrap(), 1);
    let nobody = ask(&sender, "nowhere", 1).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::UnhandledMessage);
    assert_eq!((stage.settle(), stage.ended("timed_out")), (22, 20));
    // Nobody was thrown out: this is how they began, and the next is their end.
    for (session, events) in [handler, sender].iter().zip(&mut events) {
        assert!(matches!(within(events.next()).await, Some(SessionEvent::Connected(_))));
        within(session.close()).await;
        assert!(matches!(within(events.next()).await, Some(SessionEvent::Closed(_))));
    }
    drop(idle);
    stage.end_well();
}
