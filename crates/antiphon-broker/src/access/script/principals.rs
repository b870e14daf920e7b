//! The commands that change principals, and what is believed of clients.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::access::Anonymous;
use crate::access::Principal;
use crate::access::Principals;
use crate::access::script::Placed;
use crate::access::script::ScriptError;
use crate::access::script::lexer::Lexer;
use crate::access::script::name;
use crate::access::script::parse_all;
use crate::access::script::print::Quoted;
use crate::access::script::print::quoted;
use crate::access::script::role_names;
use crate::access::script::unlocked;
use crate::properties::Believed;
use crate::properties::MAX_VALUE_BYTES;
use crate::properties::Pattern;
use crate::properties::check_user_key;
use crate::reading::Fault;

/// The most principals there may be.
pub const MAX_PRINCIPALS: usize = 65_536;

/// The most passwords that one script may set or verify: each takes some time to hash.
pub const MAX_PASSWORDS: usize = 64;

/// A script that changes principals, and may be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalsScript(pub(super) Vec<Placed<PrincipalCommand>>);

/// One command that changes principals. Shown as it is written in a script, the passwords included.
#[derive(Clone, PartialEq, Eq)]
pub enum PrincipalCommand {
    /// Adds a principal with this password, these roles, and this lock.
    Add(Arc<str>, String, BTreeSet<Arc<str>>, Option<Arc<str>>),
    /// Removes a principal.
    Remove(Arc<str>),
    /// Sets a principal's roles.
    Assign(Arc<str>, BTreeSet<Arc<str>>),
    /// Sets a principal's password.
    SetPassword(Arc<str>, String),
    /// Fails if this is not the principal's password.
    VerifyPassword(Arc<str>, String),
    /// Sets what becomes of clients without a principal.
    Anonymous(Anonymous),
    /// Sets which proposed values of a property are believed.
    Trust(String, Believed),
    /// Believes no proposed value of a property.
    Ignore(String),
}

/// How passwords are hashed. It takes its time.
pub trait Passwords {
    /// The text of the hash of a new password.
    ///
    /// # Errors
    /// Why it cannot be one, in a line for people.
    fn hash(&self, password: &str) -> Result<String, String>;

    /// Whether this is the password that was hashed.
    fn verify(&self, password: &str, hash: &str) -> bool;
}

impl PrincipalsScript {
    /// How many commands it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks for that")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads a script.
    ///
    /// # Errors
    /// The first fault of each command that cannot be read.
    pub fn parse(text: &str) -> Result<Self, Vec<ScriptError>> {
        let script = parse_all(text, parse)?;
        let mut with_password = script.iter().filter(|placed| {
            use PrincipalCommand::Add;
            use PrincipalCommand::SetPassword;
            use PrincipalCommand::VerifyPassword;
            matches!(placed.command, Add(..) | SetPassword(..) | VerifyPassword(..))
        });
        match with_password.nth(MAX_PASSWORDS) {
            Some(placed) => {
                let problem = format!("a script may have at most {MAX_PASSWORDS} passwords");
                Err(vec![ScriptError::at(placed.at, problem)])
            }
            None => Ok(Self(script)),
        }
    }

    /// What becomes of `base` if a session of the principal `by` has its way. No password is hashed unless all else is
    /// right.
    ///
    /// # Errors
    /// Every command that cannot be carried out.
    pub fn apply(
        &self,
        base: &Principals,
        by: &str,
        passwords: &dyn Passwords,
    ) -> Result<Principals, Vec<ScriptError>> {
        self.run(base, by, &Unhashed)?;
        self.run(base, by, passwords)
    }

    fn run(
        &self,
        base: &Principals,
        by: &str,
        passwords: &dyn Passwords,
    ) -> Result<Principals, Vec<ScriptError>> {
        let mut principals = base.clone();
        let mut errors = Vec::new();
        for Placed { at, command } in &self.0 {
            if let Err(problem) = carry_out(command, &mut principals, (by, passwords)) {
                errors.push(ScriptError::at(*at, problem));
            }
        }
        if errors.is_empty() { Ok(principals) } else { Err(errors) }
    }
}

/// For a first look: every password will do.
struct Unhashed;

impl Passwords for Unhashed {
    fn hash(&self, _password: &str) -> Result<String, String> {
        Ok(String::new())
    }

    fn verify(&self, _password: &str, _hash: &str) -> bool {
        true
    }
}

fn carry_out(
    command: &PrincipalCommand,
    principals: &mut Principals,
    (by, passwords): (&str, &dyn Passwords),
) -> Result<(), String> {
    match command {
        PrincipalCommand::Add(name, password, roles, locked_by) => {
            if principals.get(name).is_some() {
                return Err(format!("principal {name:?} exists already"));
            }
            if principals.principals.len() >= MAX_PRINCIPALS {
                return Err(format!("there may be at most {MAX_PRINCIPALS} principals"));
            }
            let password = passwords.hash(password)?.into();
            let added = Principal { password, roles: roles.clone(), locked_by: locked_by.clone() };
            principals.principals.insert(name.clone(), added);
        }
        PrincipalCommand::Remove(name) => {
            principal(principals, name, by)?;
            principals.remove(name);
        }
        PrincipalCommand::Assign(name, roles) => {
            principal(principals, name, by)?.roles.clone_from(roles);
        }
        PrincipalCommand::SetPassword(name, password) => {
            principal(principals, name, by)?.password = passwords.hash(password)?.into();
        }
        PrincipalCommand::VerifyPassword(name, password) => {
            let principal = principals.get(name).ok_or_else(|| unknown(name))?;
            if !passwords.verify(password, &principal.password) {
                return Err(format!("this is not the password of {name:?}"));
            }
        }
        PrincipalCommand::Anonymous(anonymous) => principals.anonymous = anonymous.clone(),
        PrincipalCommand::Trust(key, values) => {
            let trust = std::mem::take(&mut principals.trust);
            principals.trust = trust.rule(key, values.clone());
        }
        PrincipalCommand::Ignore(key) => {
            principals.trust = std::mem::take(&mut principals.trust).without(key);
        }
    }
    Ok(())
}

/// The principal to be changed.
fn principal<'p>(
    principals: &'p mut Principals,
    name: &str,
    by: &str,
) -> Result<&'p mut Principal, String> {
    let found = principals.principals.get_mut(name).ok_or_else(|| unknown(name))?;
    unlocked(&format!("principal {name:?}"), found.locked_by(), by)?;
    Ok(found)
}

fn unknown(name: &str) -> String {
    format!("there is no principal {name:?}")
}

fn parse(lexer: &mut Lexer<'_>) -> Result<PrincipalCommand, Fault> {
    use PrincipalCommand as C;
    let known = |lexer: &mut Lexer<'_>| name(lexer, "principal");
    if lexer.take("add") {
        lexer.words(&["principal"])?;
        let (name, password) = (known(lexer)?, lexer.value("a password in quotes")?);
        let roles = if lexer.at_list() { role_names(lexer)? } else { BTreeSet::new() };
        Ok(C::Add(name, password, roles, lock(lexer)?))
    } else if lexer.take("remove") {
        lexer.words(&["principal"])?;
        known(lexer).map(C::Remove)
    } else if lexer.take("assign") {
        lexer.words(&["roles"])?;
        Ok(C::Assign(known(lexer)?, role_names(lexer)?))
    } else if lexer.take("set") {
        lexer.words(&["password"])?;
        Ok(C::SetPassword(known(lexer)?, lexer.value("a password in quotes")?))
    } else if lexer.take("verify") {
        lexer.words(&["password"])?;
        Ok(C::VerifyPassword(known(lexer)?, lexer.value("a password in quotes")?))
    } else {
        policy(lexer)
    }
}

fn policy(lexer: &mut Lexer<'_>) -> Result<PrincipalCommand, Fault> {
    use PrincipalCommand as C;
    if lexer.take("allow") {
        lexer.words(&["anonymous", "connections"])?;
        let roles = if lexer.at_list() { role_names(lexer)? } else { BTreeSet::new() };
        Ok(C::Anonymous(Anonymous::Allow(roles)))
    } else if lexer.take("deny") {
        lexer.words(&["anonymous", "connections"])?;
        Ok(C::Anonymous(Anonymous::Deny))
    } else if lexer.take("abstain") {
        lexer.words(&["anonymous", "connections"])?;
        Ok(C::Anonymous(Anonymous::Abstain))
    } else if lexer.take("trust") {
        let key = property(lexer)?;
        lexer.words(&["if", "value"])?;
        Ok(C::Trust(key, believed(lexer)?))
    } else if lexer.take("ignore") {
        property(lexer).map(C::Ignore)
    } else {
        Err(lexer
            .expected("add, remove, assign, set, verify, allow, deny, abstain, trust or ignore"))
    }
}

fn lock(lexer: &mut Lexer<'_>) -> Result<Option<Arc<str>>, Fault> {
    if !lexer.take("locked") {
        return Ok(None);
    }
    lexer.words(&["by"])?;
    lexer.take("principal");
    name(lexer, "principal").map(Some)
}

fn property(lexer: &mut Lexer<'_>) -> Result<String, Fault> {
    lexer.words(&["client", "proposed", "property"])?;
    let at = lexer.position();
    let key = lexer.value("a property key in quotes")?;
    check_user_key(&key).map_err(|problem| Fault::new(at, problem.to_string()))?;
    Ok(key)
}

fn believed(lexer: &mut Lexer<'_>) -> Result<Believed, Fault> {
    if lexer.take("in") {
        let values = lexer.list(|lexer| {
            let at = lexer.position();
            let value = lexer.value("a value in quotes or ]")?;
            if value.len() > MAX_VALUE_BYTES {
                let problem = format!("a property has at most {MAX_VALUE_BYTES} bytes");
                return Err(Fault::new(at, problem));
            }
            Ok(Arc::from(value))
        })?;
        Ok(Believed::OneOf(values.into_iter().collect()))
    } else if lexer.take("matches") {
        let at = lexer.position();
        let text = lexer.value("a regular expression in quotes")?;
        let pattern = Pattern::new(&text).map_err(|problem| Fault::new(at, problem.to_string()))?;
        Ok(Believed::Matches(pattern))
    } else {
        Err(lexer.expected("in or matches"))
    }
}

impl fmt::Display for PrincipalCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(name, password, roles, locked_by) => {
                let (name, password) = (Quoted(name), Quoted(password));
                write!(f, "add principal {name} {password} {}", quoted(roles))?;
                locked_by.iter().try_for_each(|holder| write!(f, " locked by {}", Quoted(holder)))
            }
            Self::Remove(name) => write!(f, "remove principal {}", Quoted(name)),
            Self::Assign(name, roles) => {
                write!(f, "assign roles {} {}", Quoted(name), quoted(roles))
            }
            Self::SetPassword(name, password) => {
                write!(f, "set password {} {}", Quoted(name), Quoted(password))
            }
            Self::VerifyPassword(name, password) => {
                write!(f, "verify password {} {}", Quoted(name), Quoted(password))
            }
            Self::Anonymous(Anonymous::Allow(roles)) => {
                write!(f, "allow anonymous connections {}", quoted(roles))
            }
            Self::Anonymous(Anonymous::Deny) => f.write_str("deny anonymous connections"),
            Self::Anonymous(Anonymous::Abstain) => f.write_str("abstain anonymous connections"),
            Self::Trust(key, Believed::OneOf(values)) => {
                let (key, values) = (Quoted(key), quoted(values));
                write!(f, "trust client proposed property {key} if value in {values}")
            }
            Self::Trust(key, Believed::Matches(pattern)) => {
                let (key, pattern) = (Quoted(key), Quoted(pattern.as_str()));
                write!(f, "trust client proposed property {key} if value matches {pattern}")
            }
            Self::Ignore(key) => write!(f, "ignore client proposed property {}", Quoted(key)),
        }
    }
}

/// The kind of command alone, since what stands in it may be a password.
impl fmt::Debug for PrincipalCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(name, ..) => write!(f, "Add({name:?}, ..)"),
            Self::SetPassword(name, _) => write!(f, "SetPassword({name:?}, ..)"),
            Self::VerifyPassword(name, _) => write!(f, "VerifyPassword({name:?}, ..)"),
            other => other.fmt(f),
        }
    }
}
