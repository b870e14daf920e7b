//! Scripts that change principals and roles: whatever is applied leaves something that is legal, and errors point into
//! the text.

use antiphon_broker::access::Principals;
use antiphon_broker::access::Security;
use antiphon_broker::access::script::Passwords;
use antiphon_broker::access::script::PrincipalsScript;
use antiphon_broker::access::script::RolesScript;
use antiphon_broker::access::script::ScriptError;

/// A script, read both as one for roles and as one for principals.
///
/// # Panics
/// If an error points elsewhere, or if roles that include each other in a circle are let through.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let roles = RolesScript::parse(text).and_then(|script| script.apply(&Security::stock(), "p"));
    match roles {
        Ok(security) => assert!(security.checked().is_ok()),
        Err(errors) => check(text, &errors),
    }
    let principals = PrincipalsScript::parse(text)
        .and_then(|script| script.apply(&Principals::default(), "p", &Plain));
    if let Err(errors) = principals {
        check(text, &errors);
    }
}

fn check(text: &str, errors: &[ScriptError]) {
    assert!(!errors.is_empty(), "refused for no reason");
    for error in errors {
        assert!(!error.message().is_empty());
        let line =
            (error.line() as usize).checked_sub(1).and_then(|line| text.split('\n').nth(line));
        if let Some(line) = line {
            assert!(error.column() as usize <= line.chars().count() + 1, "{error:?}");
        }
    }
}

/// Passwords that are kept as they are.
struct Plain;

impl Passwords for Plain {
    fn hash(&self, password: &str) -> Result<String, String> {
        Ok(password.to_owned())
    }

    fn verify(&self, password: &str, hash: &str) -> bool {
        password == hash
    }
}
