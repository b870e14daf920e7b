//! Servers that run out of descriptors and of room on their disks.

use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;

use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;
use crate::process::antiphon;
use crate::process::unaware;
use crate::stage::ANYWHERE;
use crate::stage::PATIENT;
use crate::stage::Process;
use crate::stage::Stage;
use crate::stage::ask;
use crate::stage::echo;
use crate::stage::join;

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_sessions_go_on_and_new_ones_wait() {
    // Those who connect without a word are kept for long.
    let mut stage =
        Stage::prepared("ulimit -n 64", ANYWHERE, &[("LIMITS_HANDSHAKE_TIMEOUT", "1h")]);
    let (handler, sender) = (stage.join().await, stage.join().await);
    let (_registration, _seen) = echo(&handler, "orders").await;
    let address = stage.socket_address();
    let crowd: Vec<_> = (0..80).map(|_| TcpStream::connect(address).unwrap()).collect();
    stage.log_line("raise the limit on open files");
    let text = address.to_string();
    let newcomer = tokio::spawn(async move { join(&text).await });
    for number in 0..100 {
        assert_eq!(ask(&sender, "orders", number).await.unwrap(), number);
    }
    assert!(!newcomer.is_finished(), "there was room for one more");
    drop(crowd);
    let newcomer = newcomer.await.unwrap();
    assert_eq!(ask(&newcomer, "orders", -1).await.unwrap(), -1);
    stage.expect_sessions(3);
    assert_eq!(stage.settle(), 101);
    stage.end_well();
}

#[test]
fn a_log_on_a_full_disk_stops_no_request() {
    let free = TcpListener::bind("127.0.0.2:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut command = unaware("sh");
    let script = "exec \"$0\" serve --dev --listen \"$1\" 2>/dev/full";
    command.args(["-c", script, env!("CARGO_BIN_EXE_antiphon"), &address]);
    command.env("ANTIPHON_LOG", "trace");
    let mut server = Process::start(command);
    // It says nowhere that it listens.
    while TcpStream::connect(&address).is_err() {
        assert_eq!(server.0.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    let admin = |arguments: &[&str]| {
        let mut command = antiphon(arguments);
        command.env("ANTIPHON_URL", format!("ws://{address}"));
        command.env("ANTIPHON_PRINCIPAL", "admin").env("ANTIPHON_PASSWORD", "password");
        command
    };
    let _handler = Handler::run(admin(&["handle", "--json", "orders", "--echo"]));
    for _ in 0..5 {
        let said = Said::by(admin(&["request", "orders", "x"]));
        assert_eq!(said.stdout, "x\n", "{said}");
    }
    server.signal("HUP");
    assert_eq!(Said::by(admin(&["request", "orders", "x"])).stdout, "x\n");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

/// No file may become longer than this many blocks: as good as a full disk, for one process.
fn full_after(blocks: usize) -> String {
    format!("trap '' XFSZ; ulimit -S -f {blocks}")
}

fn empty_disk(server: &Server) {
    let id = server.child.id().to_string();
    let raised = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &id]).status();
    assert!(raised.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_on_a_full_disk_stops_no_request_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let audit = ("AUDIT_FILE", file.to_str().unwrap());
    let settings = [&PATIENT[..], &[audit]].concat();
    let mut stage = Stage::prepared(&full_after(1), ANYWHERE, &settings);
    let (handler, sender) = (stage.join().await, stage.join().await);
    let (_registration, _seen) = echo(&handler, "orders").await;
    let result = "antiphon_audit_events_total";
    while stage.figure(result, "failed") == 0 {
        stage.join().await.close().await;
    }
    stage.log_line("the audit log cannot be written");
    for number in 0..100 {
        assert_eq!(ask(&sender, "orders", number).await.unwrap(), number);
    }
    assert_eq!(stage.settle(), 100);
    empty_disk(&stage);
    stage.join().await.close().await;
    stage.log_line("the audit log is written again");
    stage.signal("TERM");
    assert_eq!(stage.end().0, Some(0));
    let text = fs::read_to_string(file).unwrap();
    let (whole, torn): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    assert_eq!(torn.len(), 1, "{torn:?}");
    assert!(whole.last().unwrap().contains("\"stopped\""), "{whole:?}");
}

#[test]
fn a_security_store_on_a_full_disk_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("security.toml");
    let add = |principal: &str, first: &str| {
        let mut command = unaware("sh");
        let script =
            format!("{first}\nexec \"$0\" principal add {principal} --role CLIENT --generate");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_antiphon")]);
        command.env("ANTIPHON_STORE", &file).stdin(Stdio::null());
        Said::by(command)
    };
    let said = Said::by(antiphon(&["init", folder.path().to_str().unwrap()]));
    assert_eq!(said.code, Some(0), "{said}");
    let said = add("first", "");
    assert_eq!(said.code, Some(0), "{said}");
    let files = || fs::read_dir(folder.path()).unwrap().count();
    let count = files();
    let before = fs::read_to_string(&file).unwrap();
    let said = add("second", &full_after(0));
    assert_eq!(said.code, Some(1), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(files(), count, "nothing is left lying about");
    assert_eq!(add("second", "").code, Some(0));
}
