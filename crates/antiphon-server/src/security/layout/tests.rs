//! The file as people write it, as it is written for them, and every mistake in it.

use std::sync::Arc;

use antiphon_broker::access::Anonymous;
use antiphon_broker::access::GlobalPermission as G;
use antiphon_broker::access::PathPermission as P;
use antiphon_broker::access::Principal;
use antiphon_broker::access::Principals;
use antiphon_broker::access::Role;
use antiphon_broker::access::Security;
use antiphon_broker::properties::Believed;
use antiphon_broker::properties::Pattern;
use antiphon_broker::properties::Trust;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

/// As cheap as argon2id goes.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

/// Every key that there is.
const EVERYTHING: &str = r#"
isolated_paths = ["secret"]

[anonymous]
policy = "allow"
roles = ["GUEST"]

[sessions]
named = ["CLIENT"]
anonymous = ["GUEST"]

[trusted_properties]
Department = { values = ["Sales", "Audit"] }
Till = { matches = "[0-9]{1,4}" }

[principals.till-7]
password = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
roles = ["CLIENT"]
locked_by = "admin"

[roles.CLIENT]
includes = ["GUEST"]
permissions = ["REGISTER_HANDLER"]
default_path_permissions = ["SEND_TO_MESSAGE_HANDLER"]
locked_by = "admin"

[roles.CLIENT.path_permissions]
"orders/eu" = ["SEND_TO_SESSION"]
internal = []

[roles.GUEST]
"#;

fn everything() -> Contents {
    let client = Role::default()
        .including(&["GUEST"])
        .granting(&[G::RegisterHandler])
        .granting_by_default(&[P::SendToMessageHandler])
        .granting_at("orders/eu", &[P::SendToSession])
        .granting_at("internal", &[])
        .locked_to("admin");
    let security = Security::default()
        .isolate("secret")
        .named_sessions(&["CLIENT"])
        .anonymous_sessions(&["GUEST"])
        .role("CLIENT", client)
        .role("GUEST", Role::default());
    let departments = ["Sales", "Audit"].map(Arc::from).into();
    let trust = Trust::default()
        .rule("Department", Believed::OneOf(departments))
        .rule("Till", Believed::Matches(Pattern::new("[0-9]{1,4}").unwrap()));
    let till = Principal::new(HASH).holding(&["CLIENT"]).locked_to("admin");
    let principals = Principals::default()
        .anonymous(Anonymous::Allow(["GUEST".into()].into()))
        .trusting(trust)
        .principal("till-7", till);
    Contents { security, principals }
}

#[test]
fn every_key_is_read() {
    assert_eq!(read(EVERYTHING), Ok(everything()));
}

#[test]
fn a_store_is_written_as_people_would() {
    let written = write(&everything()).unwrap();
    let (comment, rest) = written.split_once("\n\n").unwrap();
    assert!(comment.lines().all(|line| line.starts_with("# ")), "{comment}");
    let expected = EVERYTHING
        .trim_start()
        .replace(r#"["Sales", "Audit"]"#, r#"["Audit", "Sales"]"#)
        .replace(
            "[trusted_properties]\nDepartment = { values = [\"Audit\", \"Sales\"] }\nTill = { matches = \"[0-9]{1,4}\" }\n",
            "[trusted_properties.Department]\nvalues = [\"Audit\", \"Sales\"]\n\n[trusted_properties.Till]\nmatches = \"[0-9]{1,4}\"\n",
        )
        .replace("\"orders/eu\" = [\"SEND_TO_SESSION\"]\ninternal = []", "internal = []\n\"orders/eu\" = [\"SEND_TO_SESSION\"]");
    assert_eq!(rest, expected);
}

/// The example of docs/security.md, and what is said there about it.
#[test]
fn the_documentation_is_right() {
    let page = include_str!("../../../../../docs/security.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let hash = "\"$argon2id$v=19$m=19456,t=2,p=1$...\"";
    assert!(example.contains(hash));
    let contents = read(&example.replace(hash, &format!("{HASH:?}"))).unwrap();
    let till = contents.principals.get("till-7").unwrap().roles();
    let roles = till.union(contents.security.roles_for("till-7")).cloned().collect();
    let access = contents.security.compile(&roles);
    let table = page.split("| path | decided by | permitted |\n|---|---|---|\n").nth(1).unwrap();
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let mut expected: Vec<_> = cells[3].split(", ").filter(|cell| *cell != "nothing").collect();
        let mut found: Vec<_> = access.at(cells[1].trim_matches('`')).iter().map(P::name).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{row}");
    }
}

#[test]
fn nothing_at_all_is_an_empty_store() {
    assert_eq!(read(""), Ok(Contents::default()));
    assert_eq!(read(&write(&Contents::default()).unwrap()), Ok(Contents::default()));
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = read(text).unwrap_err().to_string();
    assert!(error.contains(expected), "expected {expected:?} in {error:?}");
}

#[test]
fn unknown_keys_and_names_are_refused_with_the_line_and_what_was_meant() {
    refused("\nisolated_path = []", "line 2: unknown field `isolated_path`");
    refused("\nisolated_path = []", "did you mean `isolated_paths`?");
    refused("[principals.a]\npasword = ''", "did you mean `password`?");
    refused("[roles.A]\n\npermisions = []", "line 3: unknown field `permisions`");
    refused("[anonymous]\npolicy = 'alow'", "did you mean `allow`?");
    refused("[trusted_properties]\nA = { value = [] }", "did you mean `values`?");
    let text = "[roles.A]\npermissions = [\n  'VIEW_SERVER',\n  'VIEW_SESION',\n]";
    refused(text, "line 4: unknown permission `VIEW_SESION`, expected one of `AUTHENTICATE`, ");
    refused(text, "did you mean `VIEW_SESSION`?");
    refused("[roles.A]\npermissions = ['view_session']", "unknown permission `view_session`");
}

#[test]
fn a_permission_of_the_other_kind_is_told_its_place() {
    refused(
        "[roles.A]\npermissions = ['SEND_TO_SESSION']",
        "line 2: `SEND_TO_SESSION` is a path permission, which belongs into default_path_permissions",
    );
    refused(
        "[roles.A.path_permissions]\n'a' = ['VIEW_SESSION']",
        "line 2: `VIEW_SESSION` is a global permission, which belongs into permissions",
    );
}

#[test]
fn roles_that_include_each_other_are_named() {
    let text =
        "[roles.A]\nincludes = ['B']\n[roles.B]\nincludes = ['C']\n[roles.C]\nincludes = ['A']";
    refused(text, r#""A" includes "B" includes "C" includes "A""#);
    refused("[roles.A]\nincludes = ['A']", r#""A" includes "A""#);
    assert!(read("[roles.A]\nincludes = ['B']").is_ok(), "a role need not be defined");
}

#[test]
fn what_contradicts_itself_is_refused() {
    refused("[principals.'']\npassword = ''", "a principal needs a name");
    refused("[roles.A.path_permissions]\n'a/b' = []\n'/a//b' = []", r#"the role "A" has the path"#);
    refused("[anonymous]\npolicy = 'deny'\nroles = ['A']", "does not let anybody in");
    refused("[anonymous]\nroles = ['A']", "does not let anybody in");
    refused("[trusted_properties]\nA = {}", r#""A" needs either values or matches"#);
    refused("[trusted_properties]\nA = { values = [], matches = '' }", "needs either");
    refused("[trusted_properties]\nA = { matches = '(' }", r#""A" matches nothing: bad regular"#);
    refused("[roles.A]\n[roles.A]", "line 2: ");
}

#[test]
fn secrets_in_the_wrong_place_are_not_repeated() {
    for text in [
        "[principals.a]\npassword = 'hunter2 and more'",
        "[principals.a]\npasword = 'hunter2 and more'",
        "[principals.a]\npassword = ['hunter2 and more']",
        "[principals]\na = 'hunter2 and more'",
        "[principals.a]\npassword = '$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHQ$aHVudGVyMmh1bnRlcjI'",
        "[principals.a]\npassword = 'hunter2",
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains("aHVudGVy"), "{error}");
    }
    refused("[principals]\na = 'hunter2'", "line 2: invalid type: a text, expected struct");
    refused(
        "[principals.a]\npassword = 'hunter2'",
        r#"the password of the principal "a" is not an argon2id"#,
    );
}

/// What TOML may find hard to write.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-C]",
        "[a-z_./ -]{1,6}",
        Just("\"'\\\n\t\u{0}\u{7f}#[=]".to_owned()),
        any::<String>().prop_filter("a name", |text| !text.is_empty()),
    ]
}

fn roles() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

prop_compose! {
    /// Roles include only roles that come before them, so that there is no circle.
    fn security()(
        roles in vec((
            text(),
            subsequence(G::ALL, 0..=G::ALL.len()),
            subsequence(P::ALL, 0..=P::ALL.len()),
            btree_map(text(), subsequence(P::ALL, 0..=P::ALL.len()), 0..4),
            option::of(text()),
        ), 0..4),
        isolated in vec(text(), 0..3),
        named in roles(),
        anonymous in roles(),
    ) -> Security {
        let mut security = Security::default()
            .named_sessions(&texts(&named))
            .anonymous_sessions(&texts(&anonymous));
        let mut earlier: Vec<&str> = Vec::new();
        for (name, globals, default_path, paths, owner) in &roles {
            if earlier.contains(&name.as_str()) {
                continue;
            }
            let mut role = Role::default()
                .including(&earlier)
                .granting(globals)
                .granting_by_default(default_path);
            for (path, granted) in paths {
                role = role.granting_at(path, granted);
            }
            if let Some(owner) = owner {
                role = role.locked_to(owner);
            }
            security = security.role(name, role);
            earlier.push(name);
        }
        isolated.iter().fold(security, |security, path| security.isolate(path))
    }
}

fn trust() -> impl Strategy<Value = Trust> {
    let believed = prop_oneof![
        roles()
            .prop_map(|values| Believed::OneOf(values.iter().map(|v| v.as_str().into()).collect())),
        "[a-z]{0,3}\\[0-9\\]\\+|\\\\d|'\""
            .prop_map(|text| Believed::Matches(Pattern::new(&text).unwrap())),
    ];
    btree_map(text(), believed, 0..4).prop_map(|rules| {
        rules.into_iter().fold(Trust::default(), |trust, (key, rule)| trust.rule(&key, rule))
    })
}

prop_compose! {
    fn principals()(
        principals in btree_map(text(), (roles(), option::of(text())), 0..4),
        anonymous in prop_oneof![
            Just(Anonymous::Deny),
            Just(Anonymous::Abstain),
            roles().prop_map(|roles| Anonymous::Allow(roles.iter().map(|r| r.as_str().into()).collect())),
        ],
        trust in trust(),
    ) -> Principals {
        let mut all = Principals::default().anonymous(anonymous).trusting(trust);
        for (name, (roles, owner)) in &principals {
            let principal = Principal::new(HASH).holding(&texts(roles));
            all = all.principal(name, match owner {
                Some(owner) => principal.locked_to(owner),
                None => principal,
            });
        }
        all
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(security in security(), principals in principals()) {
        let contents = Contents { security, principals };
        prop_assert_eq!(read(&write(&contents).unwrap()), Ok(contents));
    }

    #[test]
    fn any_text_is_read_without_panic(text in "([a-z_.'\"=\\[\\]{}, \n]|\\PC|roles|principals|password){0,40}") {
        let _ = read(&text);
    }
}
