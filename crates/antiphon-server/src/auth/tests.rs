//! The chain: who decides, and what that means.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::NodeId;
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::operations::audit::Audit;
use crate::tls::Acceptors;

/// What a link of a test says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Allow,
    Deny,
    Abstain,
    Fail,
}

fn shared(change: impl FnOnce(&mut Config)) -> Shared {
    let mut config = Config::default();
    change(&mut config);
    Shared::new(config, NodeId(1), (Acceptors::default(), Audit::start(None).unwrap())).unwrap()
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

fn password(text: &str) -> Proof {
    Proof::Password(text.to_owned())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A chain of links that say so; each allows a principal named for its place.
fn chain(says: &[Says], asked: &Arc<AtomicU32>) -> Arc<Chain> {
    let link = |(place, says): (usize, &Says)| {
        let (says, asked) = (*says, Arc::clone(asked));
        let stub = move |_: &Applicant| {
            asked.fetch_add(1, Relaxed);
            let answer = match says {
                Says::Allow => {
                    let principal = place.to_string();
                    Answer::Allow(Admitted { principal, ..Admitted::default() })
                }
                Says::Deny => Answer::Deny("it says so".to_owned()),
                Says::Abstain => Answer::Abstain,
                Says::Fail => Answer::Fail("it is broken".to_owned()),
            };
            Box::pin(std::future::ready(answer))
                as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
        };
        (Arc::new(Link::stub(&place.to_string(), Box::new(stub))), Arc::default())
    };
    Arc::new(says.iter().enumerate().map(link).collect())
}

proptest! {
    #[test]
    fn the_first_that_does_not_abstain_decides(
        says in prop::collection::vec(
            prop::sample::select(vec![Says::Allow, Says::Deny, Says::Abstain, Says::Abstain, Says::Fail]),
            0..6,
        ),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let shared = shared(|_| {});
        let asked = Arc::default();
        shared.authenticators.chain.store(chain(&says, &asked));
        let applicant = applicant("bob", Proof::None);
        let grant = runtime.block_on(shared.authenticators.authenticate(&shared, &applicant, soon()));

        let decides = says.iter().position(|says| *says != Says::Abstain);
        let expected = decides.filter(|place| says[*place] == Says::Allow);
        prop_assert_eq!(grant.map(|granted| granted.grant.principal), expected.map(|place| place.to_string()));
        prop_assert_eq!(asked.load(Relaxed) as usize, decides.map_or(says.len(), |place| place + 1));
        for (place, (_, counted)) in shared.authenticators.results().into_iter().enumerate() {
            let was_asked = decides.is_none_or(|decides| place <= decides);
            let expected = |what| u64::from(was_asked && says[place] == what);
            let counts = [counted.allowed, counted.denied, counted.abstained, counted.failed];
            prop_assert_eq!(counts, [Says::Allow, Says::Deny, Says::Abstain, Says::Fail].map(expected));
        }
    }
}

#[tokio::test]
async fn an_authenticator_that_fails_is_no_failed_attempt() {
    for (says, refused_in_the_end) in
        [(Says::Fail, false), (Says::Deny, true), (Says::Abstain, true)]
    {
        let shared = shared(|config| config.security.attempts.principal_and_address = 2);
        let asked = Arc::default();
        shared.authenticators.chain.store(chain(&[says], &asked));
        for _ in 0..5 {
            let applicant = applicant("bob", Proof::None);
            assert_eq!(shared.authenticators.authenticate(&shared, &applicant, soon()).await, None);
        }
        assert_eq!(asked.load(Relaxed), if refused_in_the_end { 2 } else { 5 }, "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_principal_under_attack_waits_and_is_let_in() {
    let shared = shared(|config| config.security.attempts.principal = 1);
    let asked = Arc::default();
    shared.authenticators.chain.store(chain(&[Says::Deny], &asked));
    let attacker = applicant("bob", Proof::None);
    assert_eq!(shared.authenticators.authenticate(&shared, &attacker, soon()).await, None);

    shared.authenticators.chain.store(chain(&[Says::Allow], &asked));
    let mut bob = applicant("bob", Proof::None);
    bob.client = "10.0.0.2".parse().unwrap();
    let began = Instant::now();
    assert!(shared.authenticators.authenticate(&shared, &bob, soon()).await.is_some());
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_that_never_answers_is_given_up_at_the_deadline() {
    let shared = shared(|_| {});
    let stub = |_: &Applicant| {
        Box::pin(std::future::pending()) as std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>
    };
    let silent = vec![(Arc::new(Link::stub("silent", Box::new(stub))), Arc::default())];
    shared.authenticators.chain.store(Arc::new(silent));
    let applicant = applicant("bob", Proof::None);
    assert_eq!(shared.authenticators.authenticate(&shared, &applicant, soon()).await, None);
}

async fn roles(shared: &Shared, principal: &str, proof: Proof) -> Option<String> {
    let applicant = applicant(principal, proof);
    let grant = shared.authenticators.authenticate(shared, &applicant, soon()).await?.grant;
    assert_eq!(grant.principal, principal);
    Some(grant.roles.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(" "))
}

#[tokio::test]
async fn development_mode_knows_the_stock_principals() {
    let shared = shared(|config| config.dev = true);
    for (principal, proof, expected) in [
        ("admin", password("password"), "ADMINISTRATOR"),
        ("client", password("password"), "CLIENT"),
        ("operator", password("password"), "OPERATOR"),
        ("control", password("password"), "AUTHENTICATION_HANDLER CLIENT_CONTROL TOPIC_CONTROL"),
        ("", Proof::None, "CLIENT"),
        ("", password(""), "CLIENT"),
    ] {
        assert_eq!(
            roles(&shared, principal, proof).await.as_deref(),
            Some(expected),
            "{principal}"
        );
    }
    let trusting = applicant("", Proof::None);
    let grant = shared.authenticators.authenticate(&shared, &trusting, soon()).await.unwrap().grant;
    assert_eq!(grant.properties.get("a"), Some("1"));
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let shared = shared(|config| config.dev = true);
    for (principal, proof) in [
        ("admin", Proof::None),
        ("admin", password("")),
        ("admin", password("passwore")),
        ("admin", password("password1")),
        ("admin", Proof::Custom(b"password".to_vec())),
        ("Admin", password("password")),
        ("nobody", password("password")),
        ("", password("password")),
    ] {
        assert_eq!(roles(&shared, principal, proof).await, None, "{principal}");
    }
}

#[tokio::test]
async fn without_an_authenticator_nobody_is_let_in() {
    let shared = shared(|_| {});
    assert_eq!(roles(&shared, "admin", password("password")).await, None);
    assert_eq!(roles(&shared, "", Proof::None).await, None);
}

#[test]
fn a_chain_that_cannot_be_is_refused_with_the_reason() {
    for (name, reason) in [
        ("dev", "no authenticator here"),
        ("ldap", "no authenticator here"),
        ("store", "there is no key security.store"),
        ("jwt", "there is no key security.jwt.keys or security.jwt.secret"),
        ("webhook", "there is no key security.webhook.url"),
        ("session:", "no authenticator here"),
    ] {
        let mut config = Config::default();
        config.security.authenticators = Some(vec![name.to_owned()]);
        let Err(error) =
            Shared::new(config, NodeId(1), (Acceptors::default(), Audit::start(None).unwrap()))
        else {
            panic!("{name} is accepted")
        };
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
}

mod with_a_store {
    use antiphon_broker::access::Anonymous;
    use antiphon_broker::access::Principal;
    use antiphon_broker::access::Principals;
    use antiphon_broker::access::Security;
    use tempfile::TempDir;

    use super::*;
    use crate::security::Contents;
    use crate::security::password::hash;

    fn opened(anonymous: Anonymous) -> (Shared, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security.toml");
        let bob = Principal::new(&hash("the password").unwrap()).holding(&["OPERATOR"]);
        let principals = Principals::default().principal("bob", bob).anonymous(anonymous);
        Store::create(&path, Contents { security: Security::stock(), principals }).unwrap();
        (shared(|config| config.security.store = Some(path)), folder)
    }

    #[tokio::test]
    async fn principals_of_the_store_are_let_in_with_their_password() {
        let (shared, _folder) = opened(Anonymous::Abstain);
        let right = || password("the password");
        assert_eq!(roles(&shared, "bob", right()).await.as_deref(), Some("OPERATOR"));
        assert_eq!(roles(&shared, "bob", password("another one")).await, None);
        assert_eq!(roles(&shared, "bob", Proof::None).await, None);
        assert_eq!(roles(&shared, "ann", right()).await, None);
        assert_eq!(roles(&shared, "", Proof::None).await, None);
        let (_, counted) = shared.authenticators.results().remove(0);
        let counts = [counted.allowed, counted.denied, counted.abstained, counted.failed];
        assert_eq!(counts, [1, 2, 2, 0]);
    }

    #[tokio::test]
    async fn anonymous_clients_get_what_the_store_says() {
        let allow = Anonymous::Allow(["CLIENT".into()].into());
        for (policy, expected) in
            [(allow, Some("CLIENT")), (Anonymous::Deny, None), (Anonymous::Abstain, None)]
        {
            let (shared, _folder) = opened(policy);
            assert_eq!(roles(&shared, "", Proof::None).await.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn only_trusted_properties_are_believed() {
        let (shared, _folder) = opened(Anonymous::Allow(Default::default()));
        let proposing = applicant("", Proof::None);
        let grant =
            shared.authenticators.authenticate(&shared, &proposing, soon()).await.unwrap().grant;
        assert_eq!(grant.properties.get("a"), None);
    }
}
