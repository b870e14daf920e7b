//! The language of scripts: what is read, what is said about what is not, and what becomes of what there is.

mod random;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::access::Anonymous;
use crate::access::GlobalPermission as G;
use crate::access::PathPermission as P;
use crate::access::Principal;
use crate::access::Principals;
use crate::access::Role;
use crate::access::Security;
use crate::properties::Believed;
use crate::properties::Pattern;
use crate::properties::Trust;

/// Turns a password round, and takes none that begins with `bad`.
struct Reversing;

impl Passwords for Reversing {
    fn hash(&self, password: &str) -> Result<String, String> {
        if password.starts_with("bad") {
            return Err("a password does not begin with bad".to_owned());
        }
        Ok(password.chars().rev().collect())
    }

    fn verify(&self, password: &str, hash: &str) -> bool {
        self.hash(password).is_ok_and(|text| text == hash)
    }
}

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn security(base: &Security, script: &str) -> Result<Security, Vec<String>> {
    RolesScript::parse(script)
        .and_then(|script| script.apply(base, "root"))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn principals(base: &Principals, script: &str) -> Result<Principals, Vec<String>> {
    PrincipalsScript::parse(script)
        .and_then(|script| script.apply(base, "root", &Reversing))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn every_command_for_roles_does_what_it_says() {
    let script = r#"
        # The roles of a till.
        set roles for named sessions ['A' "B"]
        SET ROLES FOR ANONYMOUS SESSIONS []   # nobody

        set "A" permissions [VIEW_SESSION REGISTER_HANDLER]
        set 'A' default path permissions [SEND_TO_SESSION,ACQUIRE_LOCK]
        set 'A' path '/a/b/' permissions [
            READ_TOPIC,   # more
            UPDATE_TOPIC
        ]
        set 'A' topic 'c' permissions []
        set 'A' path 'gone' permissions []
        remove 'A' permissions for topic 'gone'
        set 'A' includes ["B", 'it''s']
        set role 'A' locked by principal 'root'
        isolate path 'x'
        isolate topic 'y'
        deisolate path 'x'
    "#
    .replace("it''s", r"it\'s");
    let role = Role::default()
        .including(&["B", "it's"])
        .granting(&[G::ViewSession, G::RegisterHandler])
        .granting_by_default(&[P::SendToSession, P::AcquireLock])
        .granting_at("a/b", &[P::ReadTopic, P::UpdateTopic])
        .granting_at("c", &[])
        .locked_to("root");
    let expected = Security::default().role("A", role).isolate("y").named_sessions(&["A", "B"]);
    let base = Security::default().anonymous_sessions(&["C"]);
    assert_eq!(security(&base, &script), Ok(expected));
}

#[test]
fn every_command_for_principals_does_what_it_says() {
    let script = r#"
        add principal 'al' 'pw'
        add principal "bo" "p\"w" ["A" 'B'] locked by 'root'
        add principal 'cy' 'pw' [] locked by principal 'root'
        add principal 'gone' 'pw'
        remove principal 'gone'
        assign roles 'al' ['C']
        set password 'al' 'new'
        verify password 'al' 'new'
        deny anonymous connections
        abstain anonymous connections
        allow anonymous connections ['C']
        trust client proposed property 'Region' if value in ['EU' 'US']
        trust client proposed property 'Floor' if value matches '[0-9]+'
        trust client proposed property 'gone' if value in []
        ignore client proposed property 'gone'
        ignore client proposed property 'never there'
    "#
    .replace("'never there'", "'never'");
    let floor = Believed::Matches(Pattern::new("[0-9]+").unwrap());
    let region = Believed::OneOf(names(&["EU", "US"]));
    let expected = Principals::default()
        .principal("al", Principal::new("wen").holding(&["C"]))
        .principal("bo", Principal::new("w\"p").holding(&["A", "B"]).locked_to("root"))
        .principal("cy", Principal::new("wp").locked_to("root"))
        .anonymous(Anonymous::Allow(names(&["C"])))
        .trusting(Trust::default().rule("Region", region).rule("Floor", floor));
    assert_eq!(principals(&Principals::default(), &script), Ok(expected));
}

#[test]
fn an_empty_script_changes_nothing() {
    for script in ["", "\n", " \r\n\t# only words\n\n"] {
        assert_eq!(security(&Security::stock(), script), Ok(Security::stock()), "{script:?}");
        assert_eq!(principals(&Principals::default(), script), Ok(Principals::default()));
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let first = "set, remove, isolate or deisolate";
    for (script, expected) in [
        ("grant 'A'", format!("line 1, column 1: expected {first}, found grant")),
        ("\n  'A'", format!("line 2, column 3: expected {first}, found a value of 1 characters")),
        (
            "set 'A' ?",
            "line 1, column 9: expected permissions, default, path or includes, found ?".into(),
        ),
        (
            "set A permissions []",
            "line 1, column 5: expected the name of a role in quotes, found A".into(),
        ),
        ("set '' permissions []", "line 1, column 5: the name of a role is not empty".into()),
        (
            "set 'A' permissions",
            "line 1, column 20: expected [, found the end of the script".into(),
        ),
        (
            "set 'é' permissions [VIEW_SESSION, FLY]",
            "line 1, column 36: expected the name of a global permission or ], found FLY".into(),
        ),
        (
            "set 'A' path 'p' permissions [VIEW_SESSION]",
            "line 1, column 31: expected the name of a path permission or ], found VIEW_SESSION"
                .into(),
        ),
        (
            "set 'A' path 'a//b' permissions []",
            "line 1, column 14: a path has no empty segment".into(),
        ),
        ("isolate path ''", "line 1, column 14: a path has at least one segment".into()),
        ("isolate 'a'", "line 1, column 9: expected path, found a value of 1 characters".into()),
        (
            "isolate path 'a' path",
            "line 1, column 18: expected the end of the line, found path".into(),
        ),
        (
            "isolate path\n'a'",
            "line 1, column 13: expected a path in quotes, found the end of the line".into(),
        ),
        (
            r"isolate path '\x'",
            r"line 1, column 15: unknown escape \x (a backslash itself is written \\)".into(),
        ),
        (
            "isolate path \"a'",
            "line 1, column 14: expected a closing \" for this value, found the end of the script"
                .into(),
        ),
    ] {
        let errors = security(&Security::default(), script).unwrap_err();
        assert_eq!(errors[0], expected, "{script}");
    }
}

#[test]
fn passwords_are_not_repeated() {
    for script in ["add principal 'al' ['A'] 'secret'", "set password 'secret' secret", "'secret'"]
    {
        let errors = principals(&Principals::default(), script).unwrap_err();
        assert!(!errors[0].contains("'secret'"), "{errors:?}");
    }
    let script =
        PrincipalsScript::parse("add principal 'al' 'secret'\nset password 'al' 'secret'").unwrap();
    assert!(!format!("{script:?}").contains("secret"), "{script:?}");
}

#[test]
fn all_that_cannot_be_read_is_told_at_once() {
    let script = "set 'A' permissions [FLY]\nisolate path 'p'\nfly\nset 'A' includes ['B\n# end\n";
    let errors = security(&Security::default(), script).unwrap_err();
    let places: Vec<&str> = errors.iter().map(|error| error.split(':').next().unwrap()).collect();
    assert_eq!(places, ["line 1, column 22", "line 3, column 1", "line 4, column 19"]);
}

#[test]
fn all_that_cannot_be_done_is_told_at_once_and_nothing_is_done() {
    let base = Principals::default()
        .principal("al", Principal::new("x"))
        .principal("bo", Principal::new("x").locked_to("bo"));
    let script = "add principal 'cy' 'pw'\nadd principal 'al' 'pw'\n  remove principal 'no'\n\
                  assign roles 'bo' []\nset password 'bo' 'y'\nremove principal 'bo'";
    let locked = |line| {
        format!(
            r#"line {line}, column 1: principal "bo" is locked by "bo", who alone may change it"#
        )
    };
    assert_eq!(
        principals(&base, script).unwrap_err(),
        [
            r#"line 2, column 1: principal "al" exists already"#.to_owned(),
            r#"line 3, column 3: there is no principal "no""#.to_owned(),
            locked(4),
            locked(5),
            locked(6),
        ]
    );
    let role = Role::default().locked_to("al");
    let base = Security::default().role("A", role);
    for command in [
        "set 'A' permissions []",
        "set 'A' default path permissions []",
        "set 'A' path 'p' permissions []",
        "remove 'A' permissions for path 'p'",
        "set 'A' includes []",
        "set role 'A' locked by principal 'root'",
    ] {
        let errors = security(&base, command).unwrap_err();
        assert_eq!(
            errors,
            [r#"line 1, column 1: role "A" is locked by "al", who alone may change it"#]
        );
    }
    let errors = security(&base, "remove 'B' permissions for path 'p'").unwrap_err();
    assert_eq!(errors, [r#"line 1, column 1: there is no role "B""#]);
}

#[test]
fn who_holds_the_lock_may_change_what_is_locked() {
    let base = Security::default().role("A", Role::default().locked_to("root"));
    let changed = security(&base, "set 'A' permissions [VIEW_SERVER]").unwrap();
    assert_eq!(changed.get("A").unwrap().locked_by(), Some("root"));
    assert!(security(&base, "set role 'A' locked by principal 'al'\nset 'A' includes []").is_err());
    let base = Principals::default().principal("al", Principal::new("x").locked_to("root"));
    assert_eq!(principals(&base, "remove principal 'al'"), Ok(Principals::default()));
    assert!(principals(&base, "verify password 'al' 'x'").is_ok());
}

#[test]
fn a_password_is_checked_and_refused_in_its_place() {
    let script = "add principal 'al' 'pw'\nverify password 'al' 'other'\nadd principal 'bo' 'bad'";
    assert_eq!(
        principals(&Principals::default(), script).unwrap_err(),
        [
            r#"line 2, column 1: this is not the password of "al""#,
            "line 3, column 1: a password does not begin with bad",
        ]
    );
}

#[test]
fn no_password_is_hashed_for_a_script_that_fails_anyway() {
    struct Never;
    impl Passwords for Never {
        fn hash(&self, _: &str) -> Result<String, String> {
            panic!("hashed")
        }
        fn verify(&self, _: &str, _: &str) -> bool {
            panic!("verified")
        }
    }
    let script = "add principal 'al' 'pw'\nverify password 'al' 'pw'\nremove principal 'bo'";
    let script = PrincipalsScript::parse(script).unwrap();
    assert!(script.apply(&Principals::default(), "root", &Never).is_err());
}

#[test]
fn roles_may_not_include_each_other_in_a_circle() {
    let base = Security::default().role("A", Role::default().including(&["B"]));
    let errors = security(&base, "set 'C' includes ['A']\nset 'B' includes ['C']").unwrap_err();
    let circle = r#"roles include each other in a circle: "A" includes "B" includes "C" includes "A"; leave out one of these inclusions"#;
    assert_eq!(errors, [format!("line 2, column 1: {circle}")]);
    let turned = "set 'B' includes ['A']\nset 'A' includes []";
    assert!(security(&base, turned).is_ok(), "a later command opens the circle");
}

#[test]
fn what_a_script_may_have_is_bounded() {
    let (base, people) = (Security::default(), Principals::default());
    let long = format!("#{}", "x".repeat(MAX_SCRIPT));
    assert_eq!(
        security(&base, &long).unwrap_err(),
        ["line 1, column 1: the script is longer than 262144 bytes"]
    );
    assert!(security(&base, &long[1..=MAX_SCRIPT]).unwrap_err()[0].contains("expected"));
    let commands = "isolate path 'p'\n".repeat(MAX_COMMANDS + 1);
    assert_eq!(
        security(&base, &commands).unwrap_err(),
        ["line 4097, column 1: more than 4096 commands"]
    );
    assert_eq!(security(&base, &"fly\n".repeat(MAX_ERRORS + 1)).unwrap_err().len(), MAX_ERRORS);
    let verify = "verify password 'al' 'pw'\n".repeat(65);
    assert_eq!(
        principals(&people, &verify).unwrap_err(),
        ["line 65, column 1: a script may have at most 64 passwords"]
    );
    let name = "x".repeat(MAX_NAME + 1);
    assert!(security(&base, &format!("set '{name}' includes []")).unwrap_err()[0].contains("256"));
    assert!(security(&base, &format!("set '{}' includes []", &name[1..])).is_ok());
    let key = "trust client proposed property '$Country' if value in []";
    assert!(principals(&people, key).unwrap_err()[0].contains("property key"));
}
