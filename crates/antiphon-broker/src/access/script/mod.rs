//! The language in which people and the SDKs change principals and roles. Pure: reads a text, and makes of what there is
//! what there shall be.
//!
//! A script is applied as a whole or not at all. Each command stands on a line of its own; empty lines, and what stands
//! between a `#` outside of quotes and the end of its line, are skipped. Words are in any case, permissions in upper case.
//! A value stands between `'` or between `"`, with the escapes of a filter: `\'` `\"` `\\` `\n` `\t` `\r` `\uXXXX`. A list
//! stands between `[` and `]`, may be empty and go over several lines; commas between its items may be left out.
//!
//! Scripts for roles ([`RolesScript`]); `topic` may stand instead of `path`:
//!
//! ```text
//! set 'ROLE' permissions [VIEW_SESSION, REGISTER_HANDLER]
//! set 'ROLE' default path permissions [SEND_TO_MESSAGE_HANDLER]
//! set 'ROLE' path 'a/b' permissions []
//! remove 'ROLE' permissions for path 'a/b'
//! set 'ROLE' includes ['ROLE', 'ROLE']
//! set role 'ROLE' locked by principal 'NAME'
//! set roles for named sessions ['ROLE']
//! set roles for anonymous sessions ['ROLE']
//! isolate path 'a/b'
//! deisolate path 'a/b'
//! ```
//!
//! Scripts for principals ([`PrincipalsScript`]):
//!
//! ```text
//! add principal 'NAME' 'PASSWORD' ['ROLE'] locked by 'NAME'     # roles and lock may be left out
//! remove principal 'NAME'
//! assign roles 'NAME' ['ROLE', 'ROLE']
//! set password 'NAME' 'PASSWORD'
//! verify password 'NAME' 'PASSWORD'
//! allow anonymous connections ['ROLE']
//! deny anonymous connections
//! abstain anonymous connections
//! trust client proposed property 'KEY' if value in ['VALUE', 'VALUE']
//! trust client proposed property 'KEY' if value matches 'REGULAR EXPRESSION'
//! ignore client proposed property 'KEY'
//! ```
//!
//! `set` for a role that there is not makes it. A role or principal that is locked is changed by sessions of the principal
//! that it is locked by, and by nobody else: not by itself, and not by an administrator. A role that nobody has defined
//! may be included and assigned, because it may be defined later; a principal that is not known may lock, because others
//! than this store may know it.

mod lexer;
mod principals;
mod print;
mod roles;

use std::sync::Arc;

use thiserror::Error;

pub use crate::access::script::principals::MAX_PASSWORDS;
pub use crate::access::script::principals::MAX_PRINCIPALS;
pub use crate::access::script::principals::Passwords;
pub use crate::access::script::principals::PrincipalCommand;
pub use crate::access::script::principals::PrincipalsScript;
pub use crate::access::script::roles::MAX_PATHS;
pub use crate::access::script::roles::MAX_ROLES;
pub use crate::access::script::roles::RoleCommand;
pub use crate::access::script::roles::RolesScript;
pub use crate::access::script::roles::Sessions;

use crate::access::script::lexer::Lexer;
use crate::reading::Fault;
use crate::reading::one_line;
use crate::reading::place;

/// The longest script, in bytes.
pub const MAX_SCRIPT: usize = 256 * 1024;

/// The most commands of a script.
pub const MAX_COMMANDS: usize = 4096;

/// The most errors that are told of one script.
pub const MAX_ERRORS: usize = 100;

/// The longest name of a principal or a role, in bytes.
pub const MAX_NAME: usize = 256;

/// Why a script was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ScriptError {
    message: String,
    line: u32,
    column: u32,
}

impl ScriptError {
    /// An error of no place in particular, such as that what came out could not be stored.
    pub fn of_all(message: &str) -> Self {
        Self::at((1, 1), message)
    }

    /// What is wrong: one line of less than 120 bytes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, from 1, in characters.
    pub fn column(&self) -> u32 {
        self.column
    }

    fn at((line, column): (u32, u32), message: impl std::fmt::Display) -> Self {
        Self { message: one_line(message), line, column }
    }
}

/// A command and the line and column where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed<C> {
    at: (u32, u32),
    command: C,
}

/// Reads a whole script, each command by `parse`. Of each command that cannot be read the first fault is told.
fn parse_all<C>(
    text: &str,
    parse: impl Fn(&mut Lexer<'_>) -> Result<C, Fault>,
) -> Result<Vec<Placed<C>>, Vec<ScriptError>> {
    if text.len() > MAX_SCRIPT {
        let problem = format!("the script is longer than {MAX_SCRIPT} bytes");
        return Err(vec![ScriptError::of_all(&problem)]);
    }
    let mut places = Places { text, line: 1, seen: 0 };
    let (mut commands, mut errors) = (Vec::new(), Vec::new());
    let mut lexer = Lexer::new(text);
    while !lexer.at_end() && errors.len() < MAX_ERRORS {
        let start = lexer.position();
        if commands.len() == MAX_COMMANDS {
            let problem = format!("more than {MAX_COMMANDS} commands");
            errors.push(ScriptError::at(places.of(start), problem));
            break;
        }
        let parsed = parse(&mut lexer).and_then(|command| match lexer.at_line_end() {
            true => Ok(command),
            false => Err(lexer.expected("the end of the line")),
        });
        match parsed {
            Ok(command) => {
                commands.push(Placed { at: places.of(start), command });
                lexer.skip_lines();
            }
            Err(Fault { at, message }) => {
                errors.push(ScriptError::at(place(text, at), message));
                lexer.skip_line_of(at);
            }
        }
    }
    if errors.is_empty() { Ok(commands) } else { Err(errors) }
}

/// Where commands begin, in the order in which they come, without counting the lines from the top for each of them.
struct Places<'t> {
    text: &'t str,
    line: u32,
    seen: usize,
}

impl Places<'_> {
    fn of(&mut self, at: usize) -> (u32, u32) {
        self.line += self.text[self.seen..at].matches('\n').count() as u32;
        self.seen = at;
        let line_start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        (self.line, self.text[line_start..at].chars().count() as u32 + 1)
    }
}

/// Takes the name of a principal or a role.
fn name(lexer: &mut Lexer<'_>, what: &str) -> Result<Arc<str>, Fault> {
    let at = lexer.position();
    let name = lexer.value(&format!("the name of a {what} in quotes"))?;
    if name.is_empty() {
        return Err(Fault::new(at, format!("the name of a {what} is not empty")));
    }
    if name.len() > MAX_NAME {
        return Err(Fault::new(at, format!("the name of a {what} has at most {MAX_NAME} bytes")));
    }
    Ok(name.into())
}

/// Takes a list of roles.
fn role_names<C: FromIterator<Arc<str>>>(lexer: &mut Lexer<'_>) -> Result<C, Fault> {
    Ok(lexer.list(|lexer| name(lexer, "role"))?.into_iter().collect())
}

/// Refuses a change by anybody but the principal that holds the lock.
fn unlocked(what: &str, locked_by: Option<&str>, by: &str) -> Result<(), String> {
    match locked_by {
        Some(holder) if holder != by => {
            Err(format!("{what} is locked by {holder:?}, who alone may change it"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
