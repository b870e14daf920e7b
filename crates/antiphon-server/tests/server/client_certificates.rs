//! A login with a client certificate, from the SDK to the broker: who signs it is checked by TLS, who it names by the
//! authenticator, and what that one may do by the roles that are configured.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use antiphon::ErrorKind;
use antiphon::ReconnectPolicy;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::TlsOptions;
use antiphon_server::ClientCertificates;
use antiphon_server::config::NameIn;
use serde_json::Value;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::certificates::Signed;
use crate::client::TestServer;
use crate::client::within;

struct Stage {
    server: TestServer,
    authority: Authority,
    clients: Authority,
    audit: PathBuf,
    _files: Files,
}

impl Stage {
    fn start(how: ClientCertificates) -> Self {
        let (authority, clients, files) = (Authority::new(), Authority::new(), Files::new());
        let listener = files.asking_listener(&authority.sign("localhost"), &clients, how);
        let audit = files.write("audit.log", "");
        let server = TestServer::with(|config| {
            config.dev = false;
            config.listeners = vec![listener];
            config.audit.file = Some(audit.clone());
            config.security.authenticators = Some(vec!["certificate".to_owned()]);
            config.security.certificate.principal = NameIn::Dns;
            config.security.certificate.roles = BTreeSet::from(["CLIENT".to_owned()]);
            let roles = BTreeSet::from(["CLIENT_CONTROL".to_owned()]);
            config.security.certificate.principals = [("till-1".to_owned(), roles)].into();
        });
        Self { server, authority, clients, audit, _files: files }
    }

    async fn connect(&self, identity: Option<&Signed>) -> Result<Session, antiphon::Error> {
        let roots = self.authority.certificate.pem();
        let mut tls = TlsOptions::new().root_certificates_pem(roots.as_bytes()).unwrap();
        if let Some(Signed { certificate, key }) = identity {
            let (chain, key) = (certificate.pem(), key.serialize_pem());
            tls = tls.client_certificate_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        }
        let url = format!("wss://localhost:{}", self.server.address.port());
        let builder = Session::builder(&url).tls(tls).reconnect(ReconnectPolicy::never());
        within(builder.connect()).await
    }
}

#[tokio::test]
async fn who_the_certificate_names_is_let_in_with_the_roles_of_that_name() {
    let stage = Stage::start(ClientCertificates::Required);
    let echo = |text: String, _: RequestContext| async move { Ok(text) };
    let till_1 = stage.connect(Some(&stage.clients.sign("till-1"))).await.unwrap();
    let handler = within(till_1.messaging().register_request_handler("tills", echo, &[])).await;
    let _handler = handler.unwrap();
    let till_2 = stage.connect(Some(&stage.clients.sign("till-2"))).await.unwrap();
    let refused = within(till_2.messaging().register_request_handler("tills", echo, &[])).await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::AccessDenied);
    let answer = till_2.messaging().send_request_to_path::<String>("tills", "hello");
    assert_eq!(within(answer).await.unwrap(), "hello");

    within(till_1.close()).await;
    within(till_2.close()).await;
    stage.server.stop().await.unwrap().unwrap();
    let text = fs::read_to_string(stage.audit).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let logins: Vec<_> = events.filter(|event| event["event"] == "login").collect();
    let who: Vec<_> = logins.iter().map(|login| login["principal"].as_str().unwrap()).collect();
    assert_eq!(who, ["till-1", "till-2"]);
    assert!(logins.iter().all(|login| login["authenticator"] == "certificate"), "{logins:?}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_none_lets_nobody_in() {
    let stage = Stage::start(ClientCertificates::Required);
    for identity in [None, Some(stage.authority.sign("till-1"))] {
        let error = stage.connect(identity.as_ref()).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::AuthenticationFailed, "TLS refuses it: {error}");
    }
    // Where certificates are optional the authenticator has nobody to name, and there is no other.
    let stage = Stage::start(ClientCertificates::Optional);
    let error = stage.connect(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
    assert!(stage.connect(Some(&stage.clients.sign("till-1"))).await.is_ok());
}
