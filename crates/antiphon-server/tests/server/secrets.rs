//! No password and no token of a session is ever logged, however much is logged, and none is in the audit log.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;

use antiphon_server::AuditConfig;
use antiphon_server::security;
use antiphon_wire::connect::Credentials;
use antiphon_wire::service::Service;
use antiphon_wire::service::principal::ReAuthenticate;
use tokio::runtime::Builder;
use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt;

use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;

/// All that is logged by threads that are told to.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// This thread logs everything here.
    fn begin(&self) -> DefaultGuard {
        let captured = self.clone();
        let log = fmt().with_max_level(Level::TRACE).with_writer(move || captured.clone());
        tracing::subscriber::set_default(log.finish())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes in the forms in which they travel, and in which a program would print them.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = |form: fn(&u8) -> String| secret.iter().map(form).collect::<String>();
    vec![
        String::from_utf8_lossy(secret).into_owned(),
        hex(|byte| format!("%{byte:02X}")),
        hex(|byte| format!("{byte:02x}")),
        hex(|byte| format!("{byte:02X}")),
        secret.escape_ascii().to_string(),
        format!("{secret:?}").trim_matches(['[', ']']).to_owned(),
        base64(secret),
    ]
}

/// The password as credentials in a query: `01`, its length, itself, in Base64 with all of it escaped.
fn credentials(password: &str) -> String {
    let bytes = [&[1, password.len() as u8], password.as_bytes()].concat();
    base64(&bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[test]
fn no_password_and_no_token_is_logged() {
    let captured = Captured::default();
    let on_other_threads = captured.clone();
    // Passwords are hashed on threads of their own.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || std::mem::forget(on_other_threads.begin()))
        .build()
        .unwrap();
    let _here = captured.begin();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("security.toml");
    let password = security::init(&store).unwrap().password;
    let audit = folder.path().join("audit.log");
    let (token, other_token) = runtime.block_on(live(&store, &audit, &password));

    let logged = captured.text() + &std::fs::read_to_string(&audit).unwrap();
    // What happened was logged, so the secrets would have been found.
    for said in ["session opened", "authentication refused", "taken up again", "connection refused"]
    {
        assert!(logged.contains(said), "{said:?} is not in {logged}");
    }
    let mut secrets = Vec::new();
    for text in [&*password, WRONG] {
        secrets.extend(forms(text.as_bytes()));
        secrets.push(credentials(text));
        secrets.push(credentials(text).replace("%3D", "="));
        secrets.push(format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned());
    }
    secrets.extend(forms(&token));
    secrets.extend(forms(&other_token));
    for secret in secrets {
        let line = logged.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "it has {secret:?}");
    }
}

/// A login, a refusal, malformed requests, reconnections and a session that is authenticated anew. Returns the token of the
/// session, and one that no session has.
async fn live(
    store: &std::path::Path,
    audit: &std::path::Path,
    password: &str,
) -> (Vec<u8>, Vec<u8>) {
    let server = TestServer::with(|config| {
        config.dev = false;
        config.security.store = Some(store.to_owned());
        config.audit = AuditConfig { file: Some(audit.to_owned()) };
    });
    let query =
        |password| format!("ty=WJ&v=29&r=60000&username=admin&password={}", credentials(password));
    let mut client = Client::upgrade(server.address, &query(password)).await;
    let token = client.expect_accepted(29).await[19..43].to_vec();
    let mut wrong = Client::upgrade(server.address, &query(WRONG)).await;
    assert_eq!(wrong.frame().await, Frame::Message(vec![b'#', 29, 116]));

    for proof in [WRONG, password] {
        let body = ReAuthenticate {
            principal: "admin",
            credentials: Credentials::Password(proof),
            proposed: Vec::new(),
        };
        client.request(Service::ReAuthenticate, 1, &body).await;
        client.expect_message().await;
    }
    drop(client);
    let escaped =
        |token: &[u8]| token.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let other = vec![b'q'; token.len()];
    for (token, code) in [(&token, 105), (&other, 117)] {
        let query = format!("{}&c={}&cs=3&ss=2", query(password), escaped(token));
        let mut back = Client::upgrade(server.address, &query).await;
        assert_eq!(back.expect_message().await[2], code);
    }

    let secrets = format!("{}&c={}", query(password), escaped(&token));
    for target in [
        format!("/diffusion?{secrets}&cs=x"),
        format!("/diffusion?{}", secrets.replace("v=29", "v=none")),
        format!("/diffusion?{}", secrets.replace("v=29", "v=3")),
        format!("/wrong?{secrets}"),
        format!("/diffusion?{}", secrets.repeat(300)),
        format!("/diffusion?{secrets}&x=\u{7f}\u{1}"),
    ] {
        let mut malformed = Client::connect(server.address).await;
        malformed.ask_for_upgrade(&target, "").await;
        // It may be cut off before all was read.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut malformed.stream, &mut Vec::new()).await;
    }
    server.stop().await.unwrap().unwrap();
    (token, other)
}

const WRONG: &str = "not-the-right-one-4711";
