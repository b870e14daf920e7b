//! What is said about files of a cluster that are of no use, before anybody needs them.

use std::path::PathBuf;

use antiphon_server::BindError;
use antiphon_server::ClusterConfig;
use antiphon_server::Config;
use antiphon_server::Server;
use antiphon_server::inspect;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::date_time_ymd;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::certificates::Signed;
use crate::client::any_port;

/// A node with these files.
struct Node {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Node {
    fn new(files: &Files, authority: &Authority, own: &Signed) -> Self {
        Self {
            certificate: files.write("node.pem", &own.certificate.pem()),
            key: files.write("node.key", &own.key.serialize_pem()),
            ca: files.write("cluster-ca.pem", &authority.certificate.pem()),
        }
    }

    fn config(&self) -> Config {
        let cluster = ClusterConfig {
            listen: vec!["127.0.0.1:0".to_owned()],
            certificate: Some(self.certificate.clone()),
            key: Some(self.key.clone()),
            ca: Some(self.ca.clone()),
            ..ClusterConfig::default()
        };
        Config { cluster, ..Config::dev(any_port()) }
    }

    fn problems(&self) -> Vec<String> {
        inspect(&self.config()).iter().map(ToString::to_string).collect()
    }

    /// There is one problem, and these words are in it.
    #[track_caller]
    fn expect(&self, words: &[&str]) {
        let problems = self.problems();
        let [problem] = &problems[..] else { panic!("not one problem: {problems:?}") };
        assert!(words.iter().all(|word| problem.contains(word)), "{words:?} in {problem}");
    }
}

#[tokio::test]
async fn files_of_a_cluster_that_are_of_no_use_are_named_before_the_start_and_at_it() {
    let (authority, files) = (Authority::new(), Files::new());
    let own = authority.sign("node");
    let good = || Node::new(&files, &authority, &own);
    assert_eq!(good().problems(), [""; 0]);
    assert!(Server::bind(good().config()).is_ok());
    let other_key = files.write("other.key", &authority.sign("other").key.serialize_pem());
    let (none, empty) = (PathBuf::from("/no/such.pem"), files.write("empty.pem", ""));
    for (node, words) in [
        (Node { certificate: none.clone(), ..good() }, &["cluster.certificate", "no/such"][..]),
        (Node { key: none.clone(), ..good() }, &["cluster.key", "no/such"]),
        (Node { ca: none, ..good() }, &["cluster.ca", "no/such"]),
        (Node { ca: empty, ..good() }, &["cluster.ca", "empty.pem", "no certificate"]),
        (Node { key: other_key, ..good() }, &["cluster.certificate", "other.key"]),
        (Node { key: good().ca, ..good() }, &["cluster.key", "cluster-ca.pem"]),
    ] {
        node.expect(words);
        let Err(BindError::Config(problem)) = Server::bind(node.config()) else {
            panic!("{words:?} is not refused")
        };
        assert!(problem.to_string().contains(words[0]), "{problem}");
    }
}

#[tokio::test]
async fn a_certificate_that_other_nodes_will_refuse_is_told() {
    let (authority, files) = (Authority::new(), Files::new());
    let signed = |change: fn(&mut CertificateParams)| authority.sign_with("node", change);
    let node = |own: &Signed| Node::new(&files, &authority, own);
    let over = signed(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = signed(|params| {
        params.not_before = date_time_ymd(2900, 1, 1);
        params.not_after = date_time_ymd(2901, 1, 1);
    });
    let server = signed(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let client = signed(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    for (own, words) in [
        (&over, "its time is over"),
        (&early, "its time has not come"),
        (&server, "not for both ends"),
        (&client, "not for both ends"),
        (&Authority::new().sign("node"), "not signed by the authority"),
    ] {
        node(own).expect(&["cluster.certificate", "other nodes will refuse it", words]);
        // The clock may be wrong, or others trust more.
        assert!(Server::bind(node(own).config()).is_ok());
    }
    let both = signed(|params| {
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(node(&both).problems(), [""; 0]);
}

#[tokio::test]
async fn a_file_for_the_nodes_id_that_cannot_be_used_is_told_and_not_written() {
    let files = Files::new();
    let config = |node_file: PathBuf| {
        let listen = vec!["127.0.0.1:0".to_owned()];
        let cluster =
            ClusterConfig { listen, node_file: Some(node_file), ..ClusterConfig::default() };
        Config { cluster, ..Config::dev(any_port()) }
    };
    let wrong = files.write("wrong.id", "zzz");
    let [problem] = &inspect(&config(wrong.clone()))[..] else { panic!("no problem") };
    let problem = problem.to_string();
    assert!(problem.contains("cluster.node_file") && problem.contains("wrong.id"), "{problem}");
    assert_eq!(inspect(&config(PathBuf::from("/no/such/folder/node.id"))).len(), 1);
    let new = wrong.with_file_name("new.id");
    assert_eq!(inspect(&config(new.clone())), []);
    assert!(!new.exists());
}
