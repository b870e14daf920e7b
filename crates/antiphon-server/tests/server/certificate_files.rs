//! What is said about certificates and keys that are of no use.

use std::path::PathBuf;

use antiphon_server::BindError;
use antiphon_server::ClientCertificates;
use antiphon_server::Config;
use antiphon_server::ListenerConfig;
use antiphon_server::Server;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::client::any_port;

fn refusal(listener: ListenerConfig) -> String {
    let config = Config { listeners: vec![listener], ..Config::dev(any_port()) };
    match Server::bind(config) {
        Err(error @ BindError::Config(_)) => error.to_string(),
        Err(other) => panic!("not a fault of the configuration: {other}"),
        Ok(_) => panic!("taken"),
    }
}

#[tokio::test]
async fn a_problem_names_the_key_the_file_and_the_way_out() {
    let (authority, files) = (Authority::new(), Files::new());
    let (own, other) = (authority.sign("localhost"), authority.sign("localhost"));
    let (own_pem, ca_pem) = (own.certificate.pem(), authority.certificate.pem());
    let certificate = files.write("certificate.pem", &own_pem);
    let key = files.write("key.pem", &own.key.serialize_pem());
    let no_file = PathBuf::from("/no/such/file.pem");
    let empty = files.write("empty.pem", "");
    let broken =
        files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n");
    let wrong_order = files.write("order.pem", &format!("{ca_pem}{own_pem}"));
    let other_key = files.write("other.pem", &other.key.serialize_pem());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = files.write("encrypted.pem", encrypted);
    for (certificate, key, expected) in [
        (&no_file, &key, &["listener.certificate", "/no/such/file.pem", "can be read"][..]),
        (&certificate, &no_file, &["listener.key", "/no/such/file.pem", "can be read"]),
        (&empty, &key, &["listener.certificate", "empty.pem", "no certificate", "PEM"]),
        (&broken, &key, &["listener.certificate", "broken.pem", "PEM"]),
        (&wrong_order, &key, &["order.pem", "does not belong to the key", "order is wrong"]),
        (&certificate, &other_key, &["certificate.pem", "does not belong", "other.pem"]),
        (&key, &certificate, &["listener.certificate", "key.pem", "exchanged"]),
        (&certificate, &certificate, &["listener.key", "certificate.pem", "exchanged"]),
        (&certificate, &encrypted, &["listener.key", "encrypted.pem", "openssl pkey"]),
    ] {
        let said = refusal(ListenerConfig::tls(any_port(), certificate.clone(), key.clone()));
        for part in expected {
            assert!(
                said.contains(part),
                "{certificate:?} {key:?} must be answered with {part:?}, not {said}"
            );
        }
    }
    let asking = |client_ca: &PathBuf| ListenerConfig {
        client_ca: Some(client_ca.clone()),
        client_certificates: ClientCertificates::Required,
        ..ListenerConfig::tls(any_port(), certificate.clone(), key.clone())
    };
    for wrong in [&no_file, &empty, &key, &broken] {
        let said = refusal(asking(wrong));
        let name = wrong.file_name().unwrap().to_str().unwrap();
        assert!(said.contains("listener.client_ca") && said.contains(name), "{said}");
    }
}

#[tokio::test]
async fn a_chain_may_lead_to_the_root() {
    let (authority, files) = (Authority::new(), Files::new());
    let own = authority.sign("localhost");
    let listener = files.listener(&own);
    files.write("certificate.pem", &(own.certificate.pem() + &authority.certificate.pem()));
    let config = Config { listeners: vec![listener], ..Config::dev(any_port()) };
    assert!(Server::bind(config).is_ok());
}
