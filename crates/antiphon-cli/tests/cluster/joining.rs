//! How nodes find each other, and who they are.

use std::process::Stdio;
use std::time::Instant;

use crate::nodes::Node;
use crate::nodes::Place;
use crate::nodes::ask_until_known;
use crate::process::unaware;
use crate::stage::ANYWHERE;
use crate::stage::echo;

#[test]
fn two_servers_cannot_be_the_same_node() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.id");
    let same = [("CLUSTER_NODE_FILE", file.to_str().unwrap()), ("CLUSTER_LEASE", "1s")];
    let a = Node::with(&[], &same);
    a.expect_nodes(0);
    let mut command = unaware(env!("CARGO_BIN_EXE_antiphon"));
    command.args(["serve", "--dev", "--listen", ANYWHERE]);
    let place = Place::here();
    command.env("ANTIPHON_CLUSTER_LISTEN", &place.endpoint);
    command.env("ANTIPHON_CLUSTER_SEEDS", &a.endpoint);
    for (name, value) in same {
        command.env(format!("ANTIPHON_{name}"), value);
    }
    let twin = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(twin.stderr).unwrap();
    assert_eq!(twin.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("another server of the cluster is node {}", a.id)), "{said}");
    assert!(said.contains("cluster.node_file"), "{said}");
    a.end_well();
}

#[test]
fn a_node_that_is_restarted_is_the_same_node() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.id");
    let kept = [("CLUSTER_NODE_FILE", file.to_str().unwrap())];
    let a = Node::start(&[]);
    let mut b = Node::with(&[&a], &kept);
    b.expect_nodes(1);
    b.signal("KILL");
    b.end();
    let again = Node::with(&[&a], &kept);
    again.expect_nodes(1);
    a.expect_nodes(1);
    assert_eq!(again.id, b.id);
}

#[test]
fn a_node_whose_seeds_are_not_there_serves_alone_after_a_while_and_is_found_later() {
    let place = Place::here();
    let began = Instant::now();
    let settings = [("CLUSTER_SEEDS", place.endpoint.as_str()), ("CLUSTER_JOIN_TIMEOUT", "1s")];
    let a = Node::with(&[], &settings);
    a.expect("antiphon_state", "\"starting\"", |starting| starting == 1);
    a.expect_nodes(0);
    assert!(began.elapsed().as_secs() >= 1);
    let b = Node::at(place, &[], &[]);
    for node in [&a, &b] {
        node.expect_nodes(1);
    }
}

/// Signs certificates of nodes, and keeps them in a folder.
struct Authority {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: rcgen::Issuer::new(params, key) }
    }

    /// Settings of a node with that certificate, which trusts the authority of `ca`.
    fn settings(&self, name: &str, ca: &Self) -> [(&'static str, String); 3] {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let (pem, secret) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
        std::fs::write(&pem, certificate.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        let ca = ca.folder.path().join("ca.pem").to_str().unwrap().to_owned();
        [("CLUSTER_CERTIFICATE", pem), ("CLUSTER_KEY", secret), ("CLUSTER_CA", ca)]
    }
}

fn with_certificate(seeds: &[&Node], settings: &[(&'static str, String); 3]) -> Node {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Node::with(seeds, &[&settings[..], &[("CLUSTER_JOIN_TIMEOUT", "2s")]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_certificates_of_one_authority_are_a_cluster_and_nobody_else_gets_in() {
    let (ours, others) = (Authority::new(), Authority::new());
    let a = with_certificate(&[], &ours.settings("node-1", &ours));
    let b = with_certificate(&[&a], &ours.settings("node-2", &ours));
    for node in [&a, &b] {
        node.expect_nodes(1);
    }
    let (handler, sender) = (a.join().await, b.join().await);
    let (_kept, _told) = echo(&handler, "orders").await;
    assert_eq!(ask_until_known(&sender, "orders", 1).await.unwrap(), 1);
    // It trusts the others, but they do not trust it.
    let stranger = with_certificate(&[&a], &others.settings("node-3", &ours));
    let plain = Node::with(&[&a], &[("CLUSTER_JOIN_TIMEOUT", "2s")]);
    for node in [&stranger, &plain] {
        node.expect_nodes(0);
    }
    for node in [&a, &b] {
        node.expect_nodes(1);
    }
}
