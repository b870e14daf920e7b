//! Scripts that nobody wrote.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::btree_set;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::sample::subsequence;

use super::principals;
use super::security;
use crate::access::Anonymous;
use crate::access::GlobalPermission as G;
use crate::access::GlobalPermissions;
use crate::access::PathPermission as P;
use crate::access::PathPermissions;
use crate::access::Principals;
use crate::access::Security;
use crate::access::script::*;
use crate::properties::Believed;
use crate::properties::Pattern;

fn text() -> impl Strategy<Value = Arc<str>> {
    r#"['"\\\n# \]aé]{1,4}"#.prop_map(Arc::from)
}

fn texts() -> impl Strategy<Value = BTreeSet<Arc<str>>> {
    btree_set(text(), 0..3)
}

fn a_path() -> impl Strategy<Value = String> {
    vec(r#"['"\\# é]{1,3}"#, 1..3).prop_map(|segments| segments.join("/"))
}

fn role_command() -> impl Strategy<Value = RoleCommand> {
    let globals =
        || subsequence(G::ALL, 0..=G::ALL.len()).prop_map(|some| GlobalPermissions::of(&some));
    let paths =
        || subsequence(P::ALL, 0..=P::ALL.len()).prop_map(|some| PathPermissions::of(&some));
    let sessions = select(vec![Sessions::Named, Sessions::Anonymous]);
    prop_oneof![
        (sessions, texts())
            .prop_map(|(sessions, roles)| RoleCommand::SessionRoles(sessions, roles)),
        (text(), globals()).prop_map(|(role, some)| RoleCommand::Globals(role, some)),
        (text(), paths()).prop_map(|(role, some)| RoleCommand::DefaultPath(role, some)),
        (text(), a_path(), paths()).prop_map(|(role, at, some)| RoleCommand::Path(role, at, some)),
        (text(), a_path()).prop_map(|(role, at)| RoleCommand::RemovePath(role, at)),
        (text(), texts()).prop_map(|(role, roles)| RoleCommand::Includes(role, roles)),
        (text(), text()).prop_map(|(role, holder)| RoleCommand::Lock(role, holder)),
        a_path().prop_map(RoleCommand::Isolate),
        a_path().prop_map(RoleCommand::Deisolate),
    ]
}

fn principal_command() -> impl Strategy<Value = PrincipalCommand> {
    use PrincipalCommand as C;
    let password = || text().prop_map(|text| text.to_string());
    let key = || "[a-z]{1,4}";
    let pattern = select(vec!["a|b", r"[0-9]+\.'", ""]);
    let pattern = pattern.prop_map(|text| Believed::Matches(Pattern::new(text).unwrap()));
    let anonymous = prop_oneof![
        Just(Anonymous::Deny),
        Just(Anonymous::Abstain),
        texts().prop_map(Anonymous::Allow),
    ];
    prop_oneof![
        (text(), password(), texts(), option::of(text()))
            .prop_map(|(name, password, roles, holder)| C::Add(name, password, roles, holder)),
        text().prop_map(C::Remove),
        (text(), texts()).prop_map(|(name, roles)| C::Assign(name, roles)),
        (text(), password()).prop_map(|(name, password)| C::SetPassword(name, password)),
        (text(), password()).prop_map(|(name, password)| C::VerifyPassword(name, password)),
        anonymous.prop_map(C::Anonymous),
        (key(), texts()).prop_map(|(key, values)| C::Trust(key, Believed::OneOf(values))),
        (key(), pattern).prop_map(|(key, pattern)| C::Trust(key, pattern)),
        key().prop_map(C::Ignore),
    ]
}

fn written<C: std::fmt::Display>(commands: &[C]) -> String {
    commands.iter().map(|command| format!("{command}\n")).collect()
}

proptest! {
    #[test]
    fn what_is_written_for_roles_is_read_back(commands in vec(role_command(), 0..8)) {
        let script = RolesScript::parse(&written(&commands));
        let read: Vec<_> = script.unwrap().0.into_iter().map(|placed| placed.command).collect();
        prop_assert_eq!(read, commands);
    }

    #[test]
    fn what_is_written_for_principals_is_read_back(commands in vec(principal_command(), 0..8)) {
        let script = PrincipalsScript::parse(&written(&commands));
        let read: Vec<_> = script.unwrap().0.into_iter().map(|placed| placed.command).collect();
        prop_assert_eq!(written(&read), written(&commands));
        prop_assert!(read == commands);
    }

    #[test]
    fn no_text_does_harm(text in ".{0,60}") {
        let _ = security(&Security::stock(), &text);
        let _ = principals(&Principals::default(), &text);
    }

    #[test]
    fn no_run_of_tokens_does_harm(tokens in vec(select(TOKENS), 0..30)) {
        let text = tokens.join(" ");
        for errors in [
            security(&Security::stock(), &text).err(),
            principals(&Principals::default(), &text).err(),
        ] {
            for error in errors.into_iter().flatten() {
                let (line, column) = error.split_once(", column ").unwrap();
                let line: usize = line.strip_prefix("line ").unwrap().parse().unwrap();
                let column: usize = column.split_once(':').unwrap().0.parse().unwrap();
                let width = text.split('\n').nth(line - 1).unwrap().chars().count();
                prop_assert!(column <= width + 1, "{} in {:?}", error, text);
            }
        }
    }
}

const TOKENS: &[&str] = &[
    "set",
    "remove",
    "isolate",
    "path",
    "'a'",
    "\"b\"",
    "[",
    "]",
    ",",
    "\n",
    "#",
    "'",
    "\\",
    "permissions",
    "includes",
    "roles",
    "for",
    "named",
    "sessions",
    "VIEW_SESSION",
    "READ_TOPIC",
    "default",
    "add",
    "principal",
    "locked",
    "by",
    "allow",
    "anonymous",
    "connections",
    "trust",
    "client",
    "proposed",
    "property",
    "if",
    "value",
    "in",
    "matches",
    "é",
];
