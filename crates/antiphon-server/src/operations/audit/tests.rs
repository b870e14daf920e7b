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
