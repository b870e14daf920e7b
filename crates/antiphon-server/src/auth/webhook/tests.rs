//! The service on the other side, played by hyper and by worse.

use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;

/// What a service was asked, and over how many connections.
#[derive(Default)]
struct Heard {
    questions: Mutex<Vec<(String, Value)>>,
    connections: AtomicUsize,
    arrived: Notify,
}

/// A service that answers everything so; never, if there is no answer.
async fn service(answer: Option<(u16, &'static str)>) -> (String, Arc<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/login?by=antiphon", listener.local_addr().unwrap());
    let heard = Arc::new(Heard::default());
    tokio::spawn(serve(listener, Arc::clone(&heard), answer));
    (url, heard)
}

async fn serve(listener: TcpListener, heard: Arc<Heard>, answer: Option<(u16, &'static str)>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        heard.connections.fetch_add(1, Relaxed);
        let heard = Arc::clone(&heard);
        let service = service_fn(move |request| reply(Arc::clone(&heard), answer, request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn reply(
    heard: Arc<Heard>,
    answer: Option<(u16, &'static str)>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    let head = format!(
        "{} {} {} {}",
        request.method(),
        request.uri(),
        header("content-type").unwrap(),
        header("authorization").unwrap_or("-"),
    );
    let body = request.into_body().collect().await.unwrap().to_bytes();
    heard.questions.lock().push((head, serde_json::from_slice(&body).unwrap()));
    heard.arrived.notify_one();
    let Some((status, answer)) = answer else { pending().await };
    Ok(Response::builder().status(status).body(Full::from(answer)).unwrap())
}

fn webhook(url: &str, change: impl FnOnce(&mut WebhookConfig)) -> Webhook {
    let timeout = Duration::from_secs(20);
    let mut config = WebhookConfig { url: url.to_owned(), timeout, ..WebhookConfig::default() };
    change(&mut config);
    Webhook::new(&config).unwrap()
}

fn applicant(principal: &str, proof: Proof) -> Applicant {
    Applicant {
        principal: principal.to_owned(),
        proof,
        proposed: vec![("a".to_owned(), "1".to_owned())],
        properties: Default::default(),
        client: "10.0.0.1".parse().unwrap(),
        certificate: None,
        session: None,
    }
}

fn bob() -> Applicant {
    applicant("bob", Proof::Password("pass \"word\"".to_owned()))
}

#[track_caller]
fn check_failed(answer: &Answer, expected: &str) {
    match answer {
        Answer::Fail(why) => {
            assert!(why.contains(expected), "{why}");
            assert!(!why.contains("pass"), "a secret is told: {why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_service_is_told_who_asks() {
    let (url, heard) = service(Some((200, r#"{"decision": "abstain"}"#))).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret\n").unwrap();
    let webhook = webhook(&url, |config| config.secret = Some(secret));
    assert!(matches!(webhook.ask(&bob()).await, Answer::Abstain));
    webhook.ask(&applicant("", Proof::Custom(vec![0, 255]))).await;
    webhook.ask(&applicant("", Proof::None)).await;
    let questions = heard.questions.lock();
    let head = "POST /login?by=antiphon application/json Bearer s3cret";
    let asked = |principal: &str, credentials: Value| {
        json!({
            "principal": principal, "credentials": credentials, "properties": { "a": "1" },
            "address": "10.0.0.1", "session": null,
        })
    };
    let expected = [
        asked("bob", json!({ "password": "pass \"word\"" })),
        asked("", json!({ "custom": "AP8=" })),
        asked("", Value::Null),
    ];
    assert_eq!(*questions, expected.map(|question| (head.to_owned(), question)));
    assert_eq!(heard.connections.load(Relaxed), 1, "one connection is used again");
}

#[tokio::test]
async fn the_service_says_who_is_let_in_and_with_what() {
    let allow =
        r#"{"decision": "allow", "roles": ["A", "B"], "properties": {"x": "1"}, "more": 7}"#;
    let (url, _) = service(Some((200, allow))).await;
    let Answer::Allow(admitted) = webhook(&url, |_| {}).ask(&bob()).await else {
        panic!("not allowed")
    };
    assert_eq!((admitted.principal.as_str(), admitted.expires), ("bob", None));
    assert_eq!(admitted.roles, ["A".into(), "B".into()].into());
    assert_eq!(admitted.properties, [("x".to_owned(), "1".to_owned())]);

    let renamed = r#"{"decision": "allow", "principal": "robert", "expires": 1800000000000}"#;
    let (url, _) = service(Some((200, renamed))).await;
    let Answer::Allow(admitted) = webhook(&url, |_| {}).ask(&bob()).await else {
        panic!("not allowed")
    };
    let expected = ("robert", Some(1_800_000_000_000));
    assert_eq!((admitted.principal.as_str(), admitted.expires), expected);

    let (url, _) = service(Some((200, r#"{"decision": "deny"}"#))).await;
    assert!(matches!(webhook(&url, |_| {}).ask(&bob()).await, Answer::Deny(_)));
}

#[tokio::test]
async fn an_answer_that_is_none_lets_nobody_in() {
    for (status, answer, expected) in [
        (200, "", "not JSON"),
        (200, "yes", "not JSON"),
        (200, "{}", "not JSON"),
        (200, r#"{"decision": "pass"}"#, "not JSON"),
        (200, r#"{"decision": "allow", "roles": "pass"}"#, "not JSON"),
        (500, r#"{"decision": "allow"}"#, "500"),
        (204, "", "204"),
        (302, "", "302"),
    ] {
        let (url, _) = service(Some((status, answer))).await;
        check_failed(&webhook(&url, |_| {}).ask(&bob()).await, expected);
    }
}

#[tokio::test]
async fn a_service_that_is_silent_is_given_up() {
    let (url, heard) = service(None).await;
    let webhook = webhook(&url, |config| config.timeout = Duration::from_millis(50));
    check_failed(&webhook.ask(&bob()).await, "no answer within 50ms");
    assert!(heard.questions.lock().len() <= 1);
}

#[tokio::test]
async fn a_service_that_is_not_there_lets_nobody_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    check_failed(&webhook(&url, |_| {}).ask(&bob()).await, "cannot connect");
}

/// A service that says this and nothing else, to each connection.
async fn raw(said: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let said = said.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&said).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn answers_are_bounded_in_every_direction() {
    let head = "HTTP/1.1 200 OK\r\n";
    let huge = format!("{head}content-length: 100000\r\n\r\n{}", "x".repeat(100_000));
    let declared = format!("{head}content-length: 9999999999999\r\n\r\n");
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{}",
        "2000\r\n".to_owned() + &"x".repeat(0x2000) + "\r\n"
    )
    .repeat(1)
        + &format!("2000\r\n{}\r\n", "x".repeat(0x2000)).repeat(8);
    let headers = format!("{head}x: {}\r\n\r\n", "x".repeat(100_000));
    let broken_off = format!("{head}content-length: 100\r\n\r\n{{");
    for said in
        [huge, declared, chunked, headers, broken_off, "garbage\r\n\r\n".to_owned(), String::new()]
    {
        let url = raw(said.into_bytes()).await;
        check_failed(&webhook(&url, |_| {}).ask(&bob()).await, "");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_does_no_harm() {
    let answer = r#"{"decision": "abstain"}"#;
    let said = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    let url = raw(said.into_bytes()).await;
    let webhook = webhook(&url, |_| {});
    for _ in 0..20 {
        assert!(matches!(webhook.ask(&bob()).await, Answer::Abstain));
    }
}

#[tokio::test]
async fn so_many_are_asked_at_once_and_the_others_are_sent_away() {
    let (url, heard) = service(None).await;
    let webhook = Arc::new(webhook(&url, |config| config.at_once = 2));
    let ask = || {
        let webhook = Arc::clone(&webhook);
        tokio::spawn(async move { webhook.ask(&bob()).await })
    };
    // Two under way and eight that wait: all that are let inside.
    let asking: Vec<_> = (0..10).map(|_| ask()).collect();
    while heard.questions.lock().len() < 2 {
        heard.arrived.notified().await;
    }
    check_failed(&ask().await.unwrap(), "overloaded");
    assert_eq!(heard.questions.lock().len(), 2);
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}

#[test]
fn a_configuration_that_cannot_be_used_is_told() {
    for (url, expected) in
        [("", "url"), ("ftp://host/", "url"), ("/login", "url"), ("http://user:pass@host/", "url")]
    {
        let config = WebhookConfig { url: url.to_owned(), ..WebhookConfig::default() };
        let Err(error) = Webhook::new(&config) else { panic!("{url} is accepted") };
        assert!(error.to_string().contains(expected), "{error}");
    }
    let url = "https://localhost/".to_owned();
    let ca = Some("/nowhere/ca.pem".into());
    let config = WebhookConfig { url: url.clone(), ca, ..WebhookConfig::default() };
    assert!(Webhook::new(&config).err().unwrap().to_string().contains("/nowhere/ca.pem"));
    let secret = Some("/nowhere/secret".into());
    let config = WebhookConfig { url, secret, ..WebhookConfig::default() };
    assert!(Webhook::new(&config).err().unwrap().to_string().contains("/nowhere/secret"));
}
