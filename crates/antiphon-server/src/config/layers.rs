//! Puts a configuration together: defaults, then a file, then the environment, then flags. Every value knows where it
//! came from, and everything that is wrong is found at once. [`super::file`] reads the text of the file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Problem;
use crate::config::Refused;
use crate::config::Source;
use crate::config::check::invalid;
use crate::config::keys::KEYS;
use crate::config::keys::Key;
use crate::config::keys::LISTS;
use crate::config::keys::List;
use crate::config::keys::variable;
use crate::config::setting::Form;
use crate::config::setting::Given;
use crate::config::setting::quoted;
use crate::config::suggestion::nearest;

/// Where a configuration comes from; may be read again at any time.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables. Those that do not begin with `ANTIPHON_`, or are empty, do not count.
    pub environment: Vec<(String, String)>,
    /// Variables that begin so, and are not the configuration's: nothing is said about them.
    pub foreign: Vec<String>,
    /// What counts most. Flags for entries of a list take the place of the whole list.
    pub flags: Vec<Flag>,
}

/// A value of the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag, for people.
    pub name: String,
    /// The key, with the number of the entry if it is one of a list: `listener.0.address`.
    pub key: String,
    /// As it would be in the environment.
    pub value: String,
}

/// A configuration, and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What counts.
    pub config: Config,
    /// By the name of the key with the number of a list's entry, `path.0.timeout`: those that have been said.
    pub sources: BTreeMap<String, Source>,
    /// What is not wrong, but probably not meant.
    pub warnings: Vec<String>,
}

/// What has been read so far.
pub(super) struct Loader {
    loaded: Loaded,
    problems: Vec<Problem>,
}

/// One value of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The key, with the number of a list's entry.
    pub key: String,
    /// In TOML; `None` if there is none.
    pub value: Option<String>,
    /// Who has said so.
    pub source: Source,
}

impl Layers {
    /// Reads all of it.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(&self) -> Result<Loaded, Refused> {
        let mut loader = Loader::new();
        if let Some(path) = &self.file {
            match fs::read_to_string(path) {
                Ok(text) => loader.file(path, &text),
                Err(error) => loader.wrong(
                    Source::Default,
                    ConfigError::Unreadable { path: path.clone(), problem: error.to_string() },
                ),
            }
        }
        loader.environment(&self.environment, &self.foreign);
        loader.flags(&self.flags);
        loader.finish()
    }
}

impl Loaded {
    /// Every key with its value.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        let value = |key: &Key, (name, index): (String, usize)| Value {
            value: (key.get)(&self.config, index),
            source: self.sources.get(&name).cloned().unwrap_or_default(),
            key: name,
        };
        KEYS.iter()
            .flat_map(|key| names(key, &self.config).into_iter().map(move |name| value(key, name)))
            .collect()
    }

    /// A problem of this configuration with where its key got its value from.
    #[must_use]
    pub fn blame(&self, error: ConfigError) -> Problem {
        let source = error.key().and_then(|key| self.sources.get(key));
        Problem { source: source.cloned().unwrap_or_default(), error }
    }
}

/// A key by all its names: one, or one for each entry of its list.
pub(super) fn names(key: &Key, config: &Config) -> Vec<(String, usize)> {
    match key.list().and_then(list) {
        None => vec![(key.name().to_owned(), 0)],
        Some(list) => {
            (0..(list.len)(config)).map(|index| (full_name(key.name(), index), index)).collect()
        }
    }
}

pub(super) fn list(name: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.name == name)
}

/// `path.timeout` of the first entry is `path.0.timeout`.
fn full_name(name: &str, index: usize) -> String {
    name.replacen('.', &format!(".{index}."), 1)
}

impl Loader {
    pub(super) fn new() -> Self {
        let loaded =
            Loaded { config: Config::default(), sources: BTreeMap::new(), warnings: Vec::new() };
        Self { loaded, problems: Vec::new() }
    }

    pub(super) fn wrong(&mut self, source: Source, error: ConfigError) {
        self.problems.push(Problem { source, error });
    }

    pub(super) fn unknown(&mut self, source: Source, key: String) {
        let tables =
            KEYS.iter().filter_map(|key| key.name().rsplit_once('.')).map(|(table, _)| table);
        let nearest = nearest(&key, KEYS.iter().map(Key::name).chain(tables)).map(str::to_owned);
        self.wrong(source, ConfigError::Unknown { key, nearest });
    }

    /// Sets one value. `shown` is what was written.
    pub(super) fn set(
        &mut self,
        (key, index): (&Key, usize),
        given: &Given<'_>,
        shown: &str,
        source: Source,
    ) {
        let name =
            if key.list().is_some() { full_name(key.name(), index) } else { key.name().to_owned() };
        if (key.set)(&mut self.loaded.config, index, given) {
            self.loaded.sources.insert(name, source);
        } else {
            let fix = format!("write {}", (key.expected)());
            self.wrong(source, invalid(name, format!("is {shown}"), fix));
        }
    }

    /// Empties a list, so that what is said takes the place of what was.
    pub(super) fn clear(&mut self, list: &List) {
        (list.clear)(&mut self.loaded.config);
        let prefix = format!("{}.", list.name);
        self.loaded.sources.retain(|name, _| !name.starts_with(&prefix));
    }

    /// Adds an entry, and returns its number.
    pub(super) fn grow(&mut self, list: &List, source: &Source) -> usize {
        let index = (list.len)(&self.loaded.config);
        (list.grow)(&mut self.loaded.config);
        self.loaded.sources.insert(format!("{}.{index}", list.name), source.clone());
        index
    }

    fn environment(&mut self, variables: &[(String, String)], foreign: &[String]) {
        let mut ours: Vec<_> = variables
            .iter()
            .filter(|(name, value)| name.starts_with("ANTIPHON_") && !value.is_empty())
            .collect();
        // Entries of a list come in their order.
        ours.sort();
        for (name, value) in ours {
            let source = Source::Environment(name.clone());
            if let Some((key, index)) = find_variable(name) {
                self.bare((key, index), value, source);
            } else if !is_foreign(name, foreign) {
                let mut warning = format!("nothing is known of the environment variable {name}");
                let known: Vec<_> = KEYS.iter().map(Key::variable).collect();
                if let Some(meant) = nearest(name, known.iter().map(String::as_str)) {
                    warning.push_str(&format!("; did you mean {meant}?"));
                }
                self.loaded.warnings.push(warning);
            }
        }
    }

    fn flags(&mut self, flags: &[Flag]) {
        let known: Vec<_> = flags.iter().map(|flag| (flag, find_name(&flag.key))).collect();
        for list in LISTS {
            let is_of = |key: &Key| key.list() == Some(list.name);
            if known.iter().any(|(_, found)| found.is_some_and(|(key, _)| is_of(key))) {
                self.clear(list);
            }
        }
        for (flag, found) in known {
            let source = Source::Flag(flag.name.clone());
            match found {
                Some(place) => self.bare(place, &flag.value, source),
                None => self.unknown(source, flag.key.clone()),
            }
        }
    }

    /// Sets a value that does not say its type.
    fn bare(&mut self, (key, index): (&Key, usize), value: &str, source: Source) {
        if let Some(list) = key.list().and_then(list) {
            let len = (list.len)(&self.loaded.config);
            if index > len {
                let problem = format!("is number {index}, but there are {len} before it");
                let fix = "number entries from 0 on";
                return self.wrong(source, invalid(full_name(key.name(), index), problem, fix));
            }
            if index == len {
                self.grow(list, &source);
            }
        }
        // Relative paths are relative to where the command runs.
        let given = Given { form: Form::Bare(value), folder: Path::new("") };
        self.set((key, index), &given, &quoted(value), source);
    }

    pub(super) fn finish(mut self) -> Result<Loaded, Refused> {
        self.demand_required();
        let known = |problem: &Problem| problem.error.key().map(str::to_owned);
        let known: BTreeSet<_> = self.problems.iter().filter_map(known).collect();
        for error in super::check::problems(&self.loaded.config) {
            // One complaint about a value is enough.
            if error.key().is_some_and(|key| known.contains(key)) {
                continue;
            }
            let problem = self.loaded.blame(error);
            self.problems.push(problem);
        }
        if self.problems.is_empty() {
            Ok(self.loaded)
        } else {
            Err(Refused { problems: self.problems })
        }
    }

    /// Every entry of a list must say what it is about.
    fn demand_required(&mut self) {
        for list in LISTS {
            for index in 0..(list.len)(&self.loaded.config) {
                let name = full_name(list.required, index);
                let begun = self.loaded.sources.get(&format!("{}.{index}", list.name)).cloned();
                if let Some(source) = begun.filter(|_| !self.loaded.sources.contains_key(&name)) {
                    let fix = format!("write it into the [[{}]] table", list.name);
                    self.wrong(source, invalid(name, "is missing", fix));
                }
            }
        }
    }
}

/// The key of a name with the number of an entry.
fn find_name(name: &str) -> Option<(&'static Key, usize)> {
    find_variable(&variable(name))
}

fn find_variable(variable: &str) -> Option<(&'static Key, usize)> {
    KEYS.iter().find_map(|key| {
        let Some(list) = key.list() else {
            return (key.variable() == variable).then_some((key, 0));
        };
        let rest = variable.strip_prefix(&super::keys::variable(list))?.strip_prefix('_')?;
        let (index, field) = rest.split_once('_')?;
        let field = field.eq_ignore_ascii_case(&key.name()[list.len() + 1..]);
        index.parse().ok().filter(|_| field).map(|index| (key, index))
    })
}

/// Kubernetes tells every container where a service is: one named `antiphon` is not the configuration's.
fn is_foreign(name: &str, foreign: &[String]) -> bool {
    let of_kubernetes = ["ANTIPHON_SERVICE_", "ANTIPHON_PORT"];
    of_kubernetes.iter().any(|prefix| name.starts_with(prefix))
        || foreign.iter().any(|other| name == other)
}
