//! Contexts: named settings of connections in a file of the user, which holds passwords and is written for nobody else.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::failure::Failure;
use antiphon_server::config::Span;

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) selected: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Settings>,
}

/// Settings of a connection, each of which may be missing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) url: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, String>,
}

impl Settings {
    /// Fills in from `other` what is missing. Password and password file are one setting, and so are certificate and
    /// key.
    pub(crate) fn or(self, other: Self) -> Self {
        let (password, password_file) = match (self.password, self.password_file) {
            (None, None) => (other.password, other.password_file),
            given => given,
        };
        let (cert, key) = match (self.cert, self.key) {
            (None, None) => (other.cert, other.key),
            given => given,
        };
        let mut properties = other.properties;
        properties.extend(self.properties);
        Self {
            url: self.url.or(other.url),
            principal: self.principal.or(other.principal),
            password,
            password_file,
            ca: self.ca.or(other.ca),
            cert,
            key,
            timeout: self.timeout.or(other.timeout),
            properties,
        }
    }

    /// Makes the paths good for every working directory.
    pub(crate) fn anchored(self) -> Result<Self, Failure> {
        let anchor = |path: Option<PathBuf>| path.map(std::path::absolute).transpose();
        let bad = |error| Failure::usage(format!("a path cannot be made absolute: {error}"));
        Ok(Self {
            password_file: anchor(self.password_file).map_err(bad)?,
            ca: anchor(self.ca).map_err(bad)?,
            cert: anchor(self.cert).map_err(bad)?,
            key: anchor(self.key).map_err(bad)?,
            ..self
        })
    }
}

impl Contexts {
    /// Reads the file; without one there are no contexts.
    pub(crate) fn load() -> Result<Self, Failure> {
        let Some(file) = file() else { return Ok(Self::default()) };
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(problem("cannot read", &file, &error)),
        };
        toml::from_str(&text).map_err(|error| {
            let file = file.display();
            Failure::usage(format!(
                "the contexts in {file} are not valid; mend it by hand: {error}"
            ))
        })
    }

    /// Writes the file in one step, readable for the user alone.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let file = file().ok_or_else(|| {
            Failure::usage("there is no place for contexts; set ANTIPHON_CONFIG_DIR or HOME")
        })?;
        let text = toml::to_string(self)
            .map_err(|error| Failure::usage(format!("the context cannot be written: {error}")))?;
        let draft = file.with_extension(format!("toml.{}", std::process::id()));
        let written = write_private(&draft, &text).and_then(|()| fs::rename(&draft, &file));
        written.map_err(|error| {
            // It may not be there.
            let _ = fs::remove_file(&draft);
            problem("cannot write", &file, &error)
        })
    }

    /// The named context, else the selected one, else nothing.
    pub(crate) fn take(mut self, name: Option<&str>) -> Result<Settings, Failure> {
        let Some(name) = name.or(self.selected.as_deref()) else {
            return Ok(Settings::default());
        };
        let found = self.contexts.remove(name);
        found.ok_or_else(|| self.unknown(name))
    }

    /// Why a context of this name cannot be had.
    pub(crate) fn unknown(&self, name: &str) -> Failure {
        let names: Vec<_> = self.contexts.keys().map(String::as_str).collect();
        Failure::usage(match names.as_slice() {
            [] => format!("there is no context {name:?}; `antiphon context add {name}` makes it"),
            _ => format!("there is no context {name:?}; there are {}", names.join(", ")),
        })
    }
}

fn problem(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "{what} the contexts in {}: {error}; ANTIPHON_CONFIG_DIR names another folder",
        file.display()
    ))
}

/// Where the contexts are kept, if there is any place.
fn file() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let folder = match (folder("ANTIPHON_CONFIG_DIR"), folder("XDG_CONFIG_HOME")) {
        (Some(own), _) => PathBuf::from(own),
        (None, Some(shared)) => PathBuf::from(shared).join("antiphon"),
        (None, None) => env::home_dir()?.join(".config").join("antiphon"),
    };
    Some(folder.join("contexts.toml"))
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[track_caller]
    fn check(first: &str, second: &str, expected: &str) {
        assert_eq!(settings(first).or(settings(second)), settings(expected));
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        check(
            "url = 'ws://a'\ntimeout = '1s'",
            "url = 'ws://b'\nprincipal = 'p'",
            "url = 'ws://a'\nprincipal = 'p'\ntimeout = '1s'",
        );
        check(
            "properties = { A = '1', B = '2' }",
            "properties = { A = '0', C = '3' }",
            "properties = { A = '1', B = '2', C = '3' }",
        );
    }

    #[test]
    fn a_password_in_either_form_hides_both_forms_behind_it() {
        check("password = 'x'", "password_file = '/f'", "password = 'x'");
        check("password_file = '/f'", "password = 'x'", "password_file = '/f'");
        check("principal = 'p'", "password = 'x'", "principal = 'p'\npassword = 'x'");
        check("cert = '/c'", "cert = '/d'\nkey = '/k'", "cert = '/c'");
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(toml::from_str::<Settings>("ulr = 'ws://a'").is_err());
        assert!(toml::from_str::<Settings>("timeout = '10'").is_err());
    }
}
