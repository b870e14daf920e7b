//! Tokens, made and signed here: what is believed, and what is not.

mod signer;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use ring::signature::KeyPair;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::auth::applicant::Admitted;
use crate::auth::jwt::tests::signer::OTHER_RSA;
use crate::auth::jwt::tests::signer::RSA;
use crate::auth::jwt::tests::signer::Signer;
use crate::auth::jwt::tests::signer::unsigned;
use crate::clock::wall_time;

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

fn in_an_hour() -> u64 {
    wall_time() / 1_000 + 3_600
}

fn bob() -> Value {
    json!({ "sub": "bob", "exp": in_an_hour() })
}

fn file(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// An authenticator that knows this signer alone.
fn jwt(signer: &Signer, change: impl FnOnce(&mut JwtConfig)) -> Jwt {
    let folder = tempfile::tempdir().unwrap();
    let mut config = JwtConfig { leeway: Duration::ZERO, ..JwtConfig::default() };
    match signer {
        Signer::Secret(secret) => config.secret = Some(file(&folder, "secret", secret)),
        public => config.keys = vec![file(&folder, "key.pem", public.pem())],
    }
    change(&mut config);
    Jwt::new(&config).unwrap()
}

fn signers() -> [Signer; 4] {
    [Signer::Secret(SECRET.to_vec()), Signer::rsa(RSA), Signer::ec(), Signer::ed()]
}

fn asked(jwt: &Jwt, principal: &str, proof: Proof) -> Answer {
    jwt.ask(&Applicant {
        principal: principal.to_owned(),
        proof,
        proposed: Vec::new(),
        properties: Default::default(),
        client: "10.0.0.1".parse().unwrap(),
        certificate: None,
        session: None,
    })
}

fn ask(jwt: &Jwt, token: &str) -> Answer {
    asked(jwt, "", Proof::Password(token.to_owned()))
}

#[track_caller]
fn allowed(jwt: &Jwt, token: &str) -> Admitted {
    match ask(jwt, token) {
        Answer::Allow(admitted) => admitted,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_denied(jwt: &Jwt, token: &str, expected: &str) {
    match ask(jwt, token) {
        Answer::Deny(why) => assert!(why.contains(expected), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_algorithm_is_believed_with_its_own_key() {
    for signer in signers() {
        let jwt = jwt(&signer, |_| {});
        assert_eq!(allowed(&jwt, &signer.token(&bob())).principal, "bob");
    }
}

#[test]
fn a_token_of_another_key_is_refused() {
    let others =
        [Signer::Secret(vec![b'x'; 40]), Signer::rsa(OTHER_RSA), Signer::ec(), Signer::ed()];
    for (signer, other) in signers().iter().zip(others) {
        check_denied(&jwt(signer, |_| {}), &other.token(&bob()), "signature is wrong");
    }
}

#[test]
fn the_key_and_not_the_token_decides_about_the_algorithm() {
    let none = |alg: &str| format!("{}.", unsigned(&json!({ "alg": alg }), &bob()));
    for signer in signers() {
        let jwt = jwt(&signer, |_| {});
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            check_denied(&jwt, &none(alg), "no key fits");
        }
        for other in signers().iter().filter(|other| other.algorithm() != signer.algorithm()) {
            check_denied(&jwt, &other.token(&bob()), "no key fits");
            // Signed with the right key, under a wrong name.
            let lying = signer.token_with(&json!({ "alg": other.algorithm() }), &bob());
            check_denied(&jwt, &lying, "no key fits");
        }
        for unknown in ["HS384", "RS512", "PS256", "ES384", "RSA-OAEP", "ed25519"] {
            let token = signer.token_with(&json!({ "alg": unknown }), &bob());
            check_denied(&jwt, &token, "no key fits");
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let rsa = Signer::rsa(RSA);
    let Signer::Rsa(pair) = &rsa else { unreachable!() };
    let (pem, der) = (rsa.pem().into_bytes(), pair.public_key().as_ref().to_vec());
    let rsa_alone = jwt(&rsa, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let both = jwt(&rsa, |config| config.secret = Some(file(&folder, "secret", SECRET)));
    for secret in [pem.clone(), pem.trim_ascii_end().to_vec(), der] {
        let forged = Signer::Secret(secret).token(&bob());
        check_denied(&rsa_alone, &forged, "no key fits");
        check_denied(&both, &forged, "signature is wrong");
    }
}

#[test]
fn a_token_that_was_changed_is_refused() {
    for signer in signers() {
        let jwt = jwt(&signer, |_| {});
        let token = signer.token(&bob());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let admin = json!({ "sub": "admin", "exp": in_an_hour() });
        let (header, _) = message.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(admin.to_string());
        check_denied(&jwt, &format!("{header}.{other}.{signature}"), "signature is wrong");
        check_denied(&jwt, &format!("{message}."), "signature is wrong");
        check_denied(&jwt, &format!("{message}.!!!"), "malformed");
        check_denied(&jwt, &format!("{message}.{}", &signature[..20]), "signature is wrong");
    }
}

#[test]
fn the_claims_must_be_for_now_and_for_here() {
    let signer = Signer::Secret(SECRET.to_vec());
    let jwt = jwt(&signer, |config| {
        config.audiences = vec!["antiphon".to_owned()];
        config.issuers = vec!["https://login.example.com".to_owned()];
    });
    let now = wall_time() / 1_000;
    let good = json!({
        "sub": "bob", "exp": now + 3_600, "nbf": now - 60, "aud": ["other", "antiphon"],
        "iss": "https://login.example.com",
    });
    allowed(&jwt, &signer.token(&good));
    let cases = [
        ("exp", json!(now - 5), "expired"),
        ("exp", Value::Null, "lacks"),
        ("exp", json!("never"), "lacks"),
        ("exp", json!(-1), "lacks"),
        ("nbf", json!(now + 60), "not valid yet"),
        ("nbf", json!("now"), "cannot be read"),
        ("aud", json!("other"), "another audience"),
        ("aud", json!(["other"]), "another audience"),
        ("aud", Value::Null, "lacks"),
        ("iss", json!("https://evil.example.com"), "another issuer"),
        ("iss", Value::Null, "lacks"),
        ("sub", Value::Null, "no subject"),
        ("sub", json!(""), "no subject"),
        ("sub", json!(7), "no subject"),
    ];
    for (claim, value, expected) in cases {
        let mut claims = good.clone();
        claims[claim] = value;
        check_denied(&jwt, &signer.token(&claims), expected);
    }
}

#[test]
fn a_token_for_somebody_is_refused_where_nobody_is_expected() {
    let signer = Signer::ed();
    let jwt = jwt(&signer, |_| {});
    let claims = json!({ "sub": "bob", "exp": in_an_hour(), "aud": "another service" });
    check_denied(&jwt, &signer.token(&claims), "another audience");
}

#[test]
fn a_token_need_not_end_if_the_configuration_says_so() {
    let signer = Signer::ed();
    let lasting = signer.token(&json!({ "sub": "bob" }));
    check_denied(&jwt(&signer, |_| {}), &lasting, "lacks");
    let lenient = jwt(&signer, |config| config.require_expiry = false);
    assert_eq!(allowed(&lenient, &lasting).expires, None);
    let past = signer.token(&json!({ "sub": "bob", "exp": 1_000 }));
    check_denied(&lenient, &past, "expired");
}

#[test]
fn the_end_of_a_token_is_the_end_of_the_session_but_for_the_leeway() {
    let signer = Signer::ed();
    let now = wall_time() / 1_000;
    let jwt = jwt(&signer, |config| config.leeway = Duration::from_secs(30));
    for (exp, expected) in [
        (json!(now + 100), Some((now + 130) * 1_000)),
        (json!(now - 10), Some((now + 20) * 1_000)),
        (json!(4_000_000_000.4), Some(4_000_000_030_000)),
        (json!(u64::MAX), Some(u64::MAX)),
    ] {
        let admitted = allowed(&jwt, &signer.token(&json!({ "sub": "bob", "exp": exp })));
        assert_eq!(admitted.expires, expected, "{exp}");
    }
}

#[test]
fn a_token_is_for_its_subject_alone() {
    let signer = Signer::ed();
    let (jwt, token) = (jwt(&signer, |_| {}), signer.token(&bob()));
    let custom = || Proof::Custom(token.clone().into_bytes());
    assert!(matches!(asked(&jwt, "bob", custom()), Answer::Allow(_)));
    assert!(matches!(asked(&jwt, "", custom()), Answer::Allow(_)));
    assert!(matches!(asked(&jwt, "ann", custom()), Answer::Deny(_)));
    assert!(matches!(asked(&jwt, "Bob", custom()), Answer::Deny(_)));
}

#[test]
fn what_is_no_token_is_left_to_others() {
    let jwt = jwt(&Signer::ed(), |_| {});
    let no_header = URL_SAFE_NO_PAD.encode("[]");
    let no_algorithm = URL_SAFE_NO_PAD.encode("{}");
    for password in [
        "",
        "password",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "eyJ.eyJ.x",
        &format!("{no_header}.e30.x"),
        &format!("{no_algorithm}.e30.x"),
        &format!("{}.e30.x", "e".repeat(5_000)),
    ] {
        assert!(matches!(ask(&jwt, password), Answer::Abstain), "{password}");
    }
    assert!(matches!(asked(&jwt, "bob", Proof::None), Answer::Abstain));
    assert!(matches!(asked(&jwt, "bob", Proof::Custom(vec![0xff, b'.', b'.'])), Answer::Abstain));
}

#[test]
fn a_huge_token_is_refused_unread() {
    let signer = Signer::ed();
    let jwt = jwt(&signer, |_| {});
    let claims = json!({ "sub": "bob", "exp": in_an_hour(), "more": "x".repeat(20_000) });
    check_denied(&jwt, &signer.token(&claims), "more than 16384 bytes");
}

#[test]
fn roles_and_properties_come_from_claims() {
    let signer = Signer::ed();
    let claims = json!({
        "sub": "bob", "exp": in_an_hour(), "department": "sales", "level": 3,
        "scope": "OPERATOR CLIENT", "realm": { "roles": ["ADMINISTRATOR", 7] },
        "a.b": ["DOTTED"],
    });
    for (claim, expected) in [
        ("realm.roles", "ADMINISTRATOR EVERYBODY"),
        ("scope", "CLIENT EVERYBODY OPERATOR"),
        ("a.b", "DOTTED EVERYBODY"),
        ("roles", "EVERYBODY"),
        ("level", "EVERYBODY"),
        ("realm.roles.more", "EVERYBODY"),
    ] {
        let jwt = jwt(&signer, |config| {
            config.roles_claim = claim.to_owned();
            config.roles = ["EVERYBODY".to_owned()].into();
            config.properties = [("Department", "department"), ("Level", "level"), ("No", "no")]
                .map(|(key, claim)| (key.to_owned(), claim.to_owned()))
                .into();
        });
        let admitted = allowed(&jwt, &signer.token(&claims));
        let roles: Vec<&str> = admitted.roles.iter().map(AsRef::as_ref).collect();
        assert_eq!(roles.join(" "), expected, "{claim}");
        let properties = [("Department", "sales"), ("Level", "3")];
        assert_eq!(admitted.properties, properties.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}

#[test]
fn a_key_set_has_a_key_for_each_signer_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let signers = signers();
    let mut keys: Vec<Value> =
        signers.iter().map(|signer| signer.jwk(signer.algorithm())).collect();
    keys.push(json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }));
    keys.push(json!({ "kty": "future", "kid": "x" }));
    keys.push(Signer::ed().jwk("another"));
    let path = file(&folder, "keys.json", json!({ "keys": keys }).to_string());
    let config = JwtConfig { keys: vec![path], ..JwtConfig::default() };
    let jwt = Jwt::new(&config).unwrap();
    for signer in signers {
        let algorithm = signer.algorithm();
        allowed(&jwt, &signer.token(&bob()));
        allowed(&jwt, &signer.token_with(&json!({ "alg": algorithm, "kid": algorithm }), &bob()));
        let other = signer.token_with(&json!({ "alg": algorithm, "kid": "other" }), &bob());
        check_denied(&jwt, &other, "no key fits");
    }
}

#[test]
fn keys_for_something_else_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::rsa(RSA);
    for (member, value) in [("use", "enc"), ("alg", "RS512"), ("alg", "HS256")] {
        let mut key = signer.jwk("a");
        key[member] = json!(value);
        let path = file(&folder, "keys.json", json!({ "keys": [key] }).to_string());
        let config = JwtConfig { keys: vec![path], ..JwtConfig::default() };
        let Err(error) = Jwt::new(&config) else { panic!("{value} is accepted") };
        assert!(error.to_string().contains("no key of the set"), "{error}");
    }
}

#[track_caller]
fn check_unusable(config: &JwtConfig, expected: &str) {
    let Err(error) = Jwt::new(config) else { panic!("accepted") };
    let error = error.to_string();
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains("secret of the test"), "{error}");
}

#[test]
fn files_that_cannot_be_used_are_told_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let with =
        |text: &str| JwtConfig { keys: vec![file(&folder, "key", text)], ..JwtConfig::default() };
    check_unusable(&JwtConfig::default(), "has 0 keys");
    check_unusable(&with(RSA), "private key");
    check_unusable(&with("secret of the test"), "no public key");
    check_unusable(&with("{\"secret of the test\": 1}"), "not a JWK set");
    check_unusable(&with("{\"keys\": []}"), "no key of the set");
    let short = file(&folder, "short", "secret of the test\n");
    check_unusable(
        &JwtConfig { secret: Some(short), ..JwtConfig::default() },
        "less than 32 bytes",
    );
    let missing =
        JwtConfig { keys: vec![Path::new("/nowhere/key").to_owned()], ..JwtConfig::default() };
    check_unusable(&missing, "/nowhere/key");
}
