//! The commands that change roles and what they grant.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use antiphon_wire::path::Path;

use crate::access::GlobalPermission;
use crate::access::GlobalPermissions;
use crate::access::PathPermission;
use crate::access::PathPermissions;
use crate::access::Role;
use crate::access::Security;
use crate::access::script::Placed;
use crate::access::script::ScriptError;
use crate::access::script::lexer::Lexer;
use crate::access::script::name;
use crate::access::script::parse_all;
use crate::access::script::print::List;
use crate::access::script::print::Quoted;
use crate::access::script::print::quoted;
use crate::access::script::role_names;
use crate::access::script::unlocked;
use crate::reading::Fault;

/// The most roles there may be.
pub const MAX_ROLES: usize = 4096;

/// The most paths that one role may have an assignment at, and the most isolated paths.
pub const MAX_PATHS: usize = 4096;

/// A script that changes roles, and may be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolesScript(pub(super) Vec<Placed<RoleCommand>>);

/// Which sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// Those with a principal.
    Named,
    /// Those without.
    Anonymous,
}

/// One command that changes roles. Shown as it is written in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleCommand {
    /// Sets the roles that sessions get besides their own.
    SessionRoles(Sessions, BTreeSet<Arc<str>>),
    /// Sets a role's global permissions.
    Globals(Arc<str>, GlobalPermissions),
    /// Sets a role's permissions for the paths where no role has an assignment.
    DefaultPath(Arc<str>, PathPermissions),
    /// Assigns permissions to a role at a path.
    Path(Arc<str>, String, PathPermissions),
    /// Removes a role's assignment at a path.
    RemovePath(Arc<str>, String),
    /// Sets the roles that a role includes.
    Includes(Arc<str>, BTreeSet<Arc<str>>),
    /// Lets nobody but a principal change a role.
    Lock(Arc<str>, Arc<str>),
    /// Isolates a path.
    Isolate(String),
    /// Ends the isolation of a path.
    Deisolate(String),
}

impl RolesScript {
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
        parse_all(text, parse).map(Self)
    }

    /// What becomes of `base` if a session of the principal `by` has its way.
    ///
    /// # Errors
    /// Every command that cannot be carried out.
    pub fn apply(&self, base: &Security, by: &str) -> Result<Security, Vec<ScriptError>> {
        let mut security = base.clone();
        let mut errors = Vec::new();
        for Placed { at, command } in &self.0 {
            if let Err(problem) = carry_out(command, &mut security, by) {
                errors.push(ScriptError::at(*at, problem));
            }
        }
        // At the end, because a later command may open the circle that an earlier one closes.
        if let Err(circle) = security.clone().checked() {
            let closes = |placed: &&Placed<RoleCommand>| match &placed.command {
                RoleCommand::Includes(role, _) => circle.roles.contains(role),
                _ => false,
            };
            let at = self.0.iter().rev().find(closes).map_or((1, 1), |placed| placed.at);
            errors.push(ScriptError::at(at, &circle));
        }
        if errors.is_empty() { Ok(security) } else { Err(errors) }
    }
}

fn carry_out(command: &RoleCommand, security: &mut Security, by: &str) -> Result<(), String> {
    match command {
        RoleCommand::SessionRoles(Sessions::Named, roles) => {
            security.named_sessions.clone_from(roles);
        }
        RoleCommand::SessionRoles(Sessions::Anonymous, roles) => {
            security.anonymous_sessions.clone_from(roles);
        }
        RoleCommand::Globals(name, permissions) => {
            role(security, name, by)?.globals = *permissions;
        }
        RoleCommand::DefaultPath(name, permissions) => {
            role(security, name, by)?.default_path = *permissions;
        }
        RoleCommand::Path(name, path, permissions) => {
            let paths = &mut role(security, name, by)?.paths;
            paths.insert(path.clone(), *permissions);
            at_most(MAX_PATHS, paths.len(), "paths with permissions of one role")?;
        }
        RoleCommand::RemovePath(name, path) => {
            if security.get(name).is_none() {
                return Err(format!("there is no role {name:?}"));
            }
            role(security, name, by)?.paths.remove(path);
        }
        RoleCommand::Includes(name, roles) => role(security, name, by)?.includes.clone_from(roles),
        RoleCommand::Lock(name, principal) => {
            role(security, name, by)?.locked_by = Some(principal.clone());
        }
        RoleCommand::Isolate(path) => {
            security.isolated.insert(path.clone());
            at_most(MAX_PATHS, security.isolated.len(), "isolated paths")?;
        }
        RoleCommand::Deisolate(path) => {
            security.isolated.remove(path);
        }
    }
    Ok(())
}

/// The role to be changed, which is made if there is none.
fn role<'s>(security: &'s mut Security, name: &Arc<str>, by: &str) -> Result<&'s mut Role, String> {
    if let Some(role) = security.get(name) {
        unlocked(&format!("role {name:?}"), role.locked_by(), by)?;
    } else {
        at_most(MAX_ROLES, security.roles.len() + 1, "roles")?;
    }
    Ok(security.roles.entry(name.clone()).or_default())
}

fn at_most(limit: usize, count: usize, what: &str) -> Result<(), String> {
    if count > limit { Err(format!("there may be at most {limit} {what}")) } else { Ok(()) }
}

fn parse(lexer: &mut Lexer<'_>) -> Result<RoleCommand, Fault> {
    if lexer.take("set") {
        set(lexer)
    } else if lexer.take("remove") {
        let role = name(lexer, "role")?;
        lexer.words(&["permissions", "for"])?;
        Ok(RoleCommand::RemovePath(role, path(lexer)?))
    } else if lexer.take("isolate") {
        path(lexer).map(RoleCommand::Isolate)
    } else if lexer.take("deisolate") {
        path(lexer).map(RoleCommand::Deisolate)
    } else {
        Err(lexer.expected("set, remove, isolate or deisolate"))
    }
}

fn set(lexer: &mut Lexer<'_>) -> Result<RoleCommand, Fault> {
    if lexer.take("roles") {
        return session_roles(lexer);
    }
    if lexer.take("role") {
        let role = name(lexer, "role")?;
        lexer.words(&["locked", "by", "principal"])?;
        return Ok(RoleCommand::Lock(role, name(lexer, "principal")?));
    }
    let role = name(lexer, "role")?;
    if lexer.take("permissions") {
        Ok(RoleCommand::Globals(role, globals(lexer)?))
    } else if lexer.take("includes") {
        Ok(RoleCommand::Includes(role, role_names(lexer)?))
    } else if lexer.take("default") {
        path_word(lexer)?;
        lexer.words(&["permissions"])?;
        Ok(RoleCommand::DefaultPath(role, path_permissions(lexer)?))
    } else if matches!(lexer.word().to_ascii_lowercase().as_str(), "path" | "topic") {
        let path = path(lexer)?;
        lexer.words(&["permissions"])?;
        Ok(RoleCommand::Path(role, path, path_permissions(lexer)?))
    } else {
        Err(lexer.expected("permissions, default, path or includes"))
    }
}

fn session_roles(lexer: &mut Lexer<'_>) -> Result<RoleCommand, Fault> {
    lexer.words(&["for"])?;
    let sessions = if lexer.take("named") {
        Sessions::Named
    } else if lexer.take("anonymous") {
        Sessions::Anonymous
    } else {
        return Err(lexer.expected("named or anonymous"));
    };
    lexer.words(&["sessions"])?;
    Ok(RoleCommand::SessionRoles(sessions, role_names(lexer)?))
}

fn globals(lexer: &mut Lexer<'_>) -> Result<GlobalPermissions, Fault> {
    let known = |lexer: &mut Lexer<'_>| {
        lexer.known("the name of a global permission or ]", GlobalPermission::from_name)
    };
    Ok(GlobalPermissions::of(&lexer.list(known)?))
}

fn path_permissions(lexer: &mut Lexer<'_>) -> Result<PathPermissions, Fault> {
    let known = |lexer: &mut Lexer<'_>| {
        lexer.known("the name of a path permission or ]", PathPermission::from_name)
    };
    Ok(PathPermissions::of(&lexer.list(known)?))
}

fn path_word(lexer: &mut Lexer<'_>) -> Result<(), Fault> {
    if lexer.take("path") || lexer.take("topic") { Ok(()) } else { Err(lexer.expected("path")) }
}

/// Takes `path` and a path, without slashes to spare.
fn path(lexer: &mut Lexer<'_>) -> Result<String, Fault> {
    path_word(lexer)?;
    let at = lexer.position();
    let text = lexer.value("a path in quotes")?;
    match Path::parse(&text) {
        Ok(path) => Ok(path.as_str().to_owned()),
        Err(rule) => Err(Fault::new(at, rule.to_string())),
    }
}

impl fmt::Display for RoleCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionRoles(sessions, roles) => {
                let sessions = match sessions {
                    Sessions::Named => "named",
                    Sessions::Anonymous => "anonymous",
                };
                write!(f, "set roles for {sessions} sessions {}", quoted(roles))
            }
            Self::Globals(role, permissions) => {
                let names = List(permissions.iter().map(GlobalPermission::name));
                write!(f, "set {} permissions {names}", Quoted(role))
            }
            Self::DefaultPath(role, permissions) => {
                let names = List(permissions.iter().map(PathPermission::name));
                write!(f, "set {} default path permissions {names}", Quoted(role))
            }
            Self::Path(role, path, permissions) => {
                let names = List(permissions.iter().map(PathPermission::name));
                write!(f, "set {} path {} permissions {names}", Quoted(role), Quoted(path))
            }
            Self::RemovePath(role, path) => {
                write!(f, "remove {} permissions for path {}", Quoted(role), Quoted(path))
            }
            Self::Includes(role, roles) => {
                write!(f, "set {} includes {}", Quoted(role), quoted(roles))
            }
            Self::Lock(role, principal) => {
                write!(f, "set role {} locked by principal {}", Quoted(role), Quoted(principal))
            }
            Self::Isolate(path) => write!(f, "isolate path {}", Quoted(path)),
            Self::Deisolate(path) => write!(f, "deisolate path {}", Quoted(path)),
        }
    }
}
