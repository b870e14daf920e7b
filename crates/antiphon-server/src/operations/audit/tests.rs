//! The audit log without a server: bounds, failures and lines.

use std::fs;

use antiphon_wire::service::events::CloseReason;

use super::*;

fn close(session: u64) -> Event<'static> {
    let reason = snake(CloseReason::ClosedByController);
    Event::Close { session: session.to_string(), by: None, reason }
}

/// One that nobody takes events from.
fn stuck(room: usize) -> (Audit, Receiver<Order>) {
    let (queue, orders) = sync_channel(room);
    (Audit { queue: Some(queue), results: Arc::default() }, orders)
}

#[test]
fn nobody_waits_for_a_full_queue_and_what_is_dropped_is_counted() {
    let (audit, _orders) = stuck(2);
    for session in 0..5 {
        audit.write(|| close(session));
    }
    audit.reopen();
    assert_eq!(audit.counts(), Counts { written: 0, dropped: 3, failed: 0 });
}

#[test]
fn a_log_whose_thread_is_gone_drops_everything() {
    let (audit, orders) = stuck(2);
    drop(orders);
    audit.write(|| close(1));
    audit.settle();
    assert_eq!(audit.counts().dropped, 1);
}

#[test]
fn the_thread_ends_with_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::start(Some(&folder.path().join("audit.log"))).unwrap();
    let results = Arc::downgrade(&audit.results);
    audit.write(|| close(1));
    drop(audit);
    // The thread has the other one.
    while results.strong_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn without_a_file_no_event_is_even_made() {
    let audit = Audit::start(None).unwrap();
    audit.write(|| panic!("nobody wants it"));
    audit.settle();
    assert!(!audit.is_on());
    assert_eq!(audit.counts(), Counts { written: 0, dropped: 0, failed: 0 });
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_counted_and_holds_nobody_up() {
    let audit = Audit::start(Some(Path::new("/dev/full"))).unwrap();
    for session in 0..100 {
        audit.write(|| close(session));
    }
    audit.settle();
    assert_eq!(audit.counts(), Counts { written: 0, dropped: 0, failed: 100 });
}

#[test]
fn a_file_that_cannot_be_opened_is_a_failure_at_once() {
    assert!(Audit::start(Some(Path::new("/no/such/folder/audit.log"))).is_err());
}

#[test]
fn lines_are_appended_and_a_renamed_file_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("audit.log"), folder.path().join("audit.log.1"));
    fs::write(&path, "there before\n").unwrap();
    let audit = Audit::start(Some(&path)).unwrap();
    audit.write(|| close(1));
    audit.settle();
    fs::rename(&path, &old).unwrap();
    audit.write(|| close(2));
    audit.reopen();
    audit.write(|| close(3));
    audit.settle();
    let sessions = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .map(|line| line["session"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(fs::read_to_string(&old).unwrap().starts_with("there before\n"));
    assert_eq!((sessions(&old), sessions(&path)), (vec!["1".into(), "2".into()], vec!["3".into()]));
    assert_eq!(audit.counts().written, 3);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let _audit = Audit::start(Some(&path)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_line_says_when_and_what_and_cannot_be_broken_by_what_it_quotes() {
    let (audit, orders) = stuck(1);
    audit.write(|| Event::Refused {
        principal: "a\n\"b",
        address: "127.0.0.1:9".to_owned(),
        reason: "authentication_failed".to_owned(),
    });
    let Ok(Order::Write(line)) = orders.recv() else { panic!("no line") };
    let line = String::from_utf8(line).unwrap();
    let (time, rest) = line.split_once("\",").unwrap();
    assert!(time.starts_with("{\"time\":\"2") && time.ends_with('Z'), "{time}");
    assert_eq!(
        rest,
        "\"event\":\"refused\",\"principal\":\"a\\n\\\"b\",\"address\":\"127.0.0.1:9\",\
         \"reason\":\"authentication_failed\"}\n"
    );
}

#[test]
fn long_principals_are_cut_between_characters() {
    assert_eq!(shown("admin"), "admin");
    assert_eq!(shown(&"é".repeat(1_000)), "é".repeat(MOST_SHOWN));
}

/// One of each event, with the line that follows from it; a new one does not compile without its place here.
fn every_event() -> Vec<Event<'static>> {
    let (session, address) = (|| "1-2".to_owned(), || "10.0.0.1".to_owned());
    let reason = || "revoked".to_owned();
    let events = vec![
        Event::Started { address: address() },
        Event::Draining,
        Event::Stopped,
        Event::Login { session: session(), principal: "p", address: address(), authenticator: "a" },
        Event::Reauthentication { session: session(), principal: "p", allowed: true },
        Event::Reconnection { session: session(), address: address() },
        Event::Refused { principal: "p", address: address(), reason: reason() },
        Event::TooManyAttempts { session: None, principal: "p", address: address() },
        Event::Security {
            session: session(),
            principal: "p",
            of: "roles",
            commands: 1,
            changed: true,
        },
        Event::Reload { changed: &[], waiting: &[], store: true },
        Event::Registration { session: session(), path: "a" },
        Event::Deregistration { session: session(), path: "a" },
        Event::Change { session: session(), by: None, keys: &[], roles: None },
        Event::Denial { session: session(), service: 1, text: "t" },
        Event::Close { session: session(), by: None, reason: reason() },
    ];
    for event in &events {
        match event {
            Event::Started { .. } | Event::Draining | Event::Stopped => {}
            Event::Login { .. } | Event::Reauthentication { .. } | Event::Reconnection { .. } => {}
            Event::Refused { .. } | Event::TooManyAttempts { .. } => {}
            Event::Security { .. } | Event::Reload { .. } => {}
            Event::Registration { .. } | Event::Deregistration { .. } | Event::Change { .. } => {}
            Event::Denial { .. } | Event::Close { .. } => {}
        }
    }
    events
}

#[test]
fn the_documentation_has_every_event_with_its_fields() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = fs::read_to_string(path).unwrap();
    for event in every_event() {
        let line = serde_json::to_value(Line { time: String::new(), event: &event }).unwrap();
        let name = format!("`{}`", line["event"].as_str().unwrap());
        let row = page.lines().find(|row| {
            let first = row.strip_prefix("| ").and_then(|row| row.split('|').next());
            first.is_some_and(|cell| cell.contains(&name))
        });
        let row = row.unwrap_or_else(|| panic!("docs/operations.md has no event {name}"));
        for field in line.as_object().unwrap().keys() {
            let is_everywhere = ["time", "event"].contains(&field.as_str());
            assert!(is_everywhere || row.contains(&format!("`{field}`")), "{field} in {row}");
        }
    }
}
