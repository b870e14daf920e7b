//! The one table of all keys. From it come the syntax of the file, the names in the environment, `antiphon config
//! default` and `print`, the table of docs/configuration.md, and what a reload may change. A new key is a field of
//! [`Config`] with its default, and one line here.

use std::path::Path;

use crate::config::Config;
use crate::config::ListenerConfig;
use crate::config::layers::names;
use crate::config::setting::Given;
use crate::config::setting::Setting;
use antiphon_broker::PathRule;

/// A key of the configuration: one value, or that value of each entry of a list.
pub struct Key {
    name: &'static str,
    about: &'static str,
    live: bool,
    list: Option<&'static str>,
    default: Option<&'static str>,
    example: Option<&'static str>,
    reads: bool,
    pub(super) expected: fn() -> String,
    pub(super) set: fn(&mut Config, usize, &Given<'_>) -> bool,
    pub(super) get: fn(&Config, usize) -> Option<String>,
    pub(super) file: fn(&Config, usize) -> Option<&Path>,
    pub(super) copy: fn(&mut Config, &Config),
}

/// A list of tables, such as `[[path]]`.
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The key without which an entry means nothing.
    pub(super) required: &'static str,
    pub(super) clear: fn(&mut Config),
    pub(super) grow: fn(&mut Config),
    pub(super) len: fn(&Config) -> usize,
}

impl Key {
    /// The name with its table: `limits.sessions`, or `path.timeout` for that key of each `[[path]]`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it means.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// Whether a reload changes it; otherwise it needs a restart.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// The list of tables whose entries have it.
    #[must_use]
    pub const fn list(&self) -> Option<&'static str> {
        self.list
    }

    /// The environment variable that sets it; for that of a list's entry with `0`, the number of the first.
    #[must_use]
    pub fn variable(&self) -> String {
        match self.list {
            Some(list) => variable(&format!("{list}.0{}", &self.name[list.len()..])),
            None => variable(self.name),
        }
    }

    /// The default in words, if it is not the same everywhere, or if there is no value.
    #[must_use]
    pub const fn default_in_words(&self) -> Option<&'static str> {
        self.default
    }

    /// A value in TOML that it could have.
    #[must_use]
    pub const fn example(&self) -> Option<&'static str> {
        self.example
    }

    /// Whether it names a file that must be there.
    pub(super) const fn reads(&self) -> bool {
        self.reads
    }

    /// Its value, or those of all entries.
    pub(super) fn values(&self, config: &Config) -> Vec<Option<String>> {
        names(self, config).into_iter().map(|(_, index)| (self.get)(config, index)).collect()
    }

    /// Whether a reload takes it over from the new configuration.
    const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn of(mut self, list: &'static str) -> Self {
        self.list = Some(list);
        self
    }

    const fn default_is(mut self, words: &'static str) -> Self {
        self.default = Some(words);
        self
    }

    const fn such_as(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }
}

/// The environment variable of a key with all its parts.
pub(super) fn variable(name: &str) -> String {
    format!("ANTIPHON_{}", name.replace('.', "_").to_ascii_uppercase())
}

/// A key is named as its field of [`Config`].
macro_rules! key {
    ($first:ident $(. $rest:ident)*, $about:literal) => {
        Key {
            name: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            about: $about,
            live: false,
            list: None,
            default: None,
            example: None,
            reads: false,
            expected: || expected(|config: &Config| &config.$first $(. $rest)*),
            set: |config, _, given| put(&mut config.$first $(. $rest)*, given),
            get: |config, _| config.$first $(. $rest)*.show(),
            file: |config, _| config.$first $(. $rest)*.file(),
            copy: |config, from| config.$first $(. $rest)*.clone_from(&from.$first $(. $rest)*),
        }
    };
}

/// A key of each entry of a list: the list's name in the file, its field of [`Config`], and the field of an entry.
macro_rules! entry {
    ($list:ident as $field:ident . $key:ident, $about:literal) => {
        Key {
            name: concat!(stringify!($list), ".", stringify!($key)),
            expected: || expected(|config: &Config| &config.$field[0].$key),
            set: |config, index, given| put(&mut config.$field[index].$key, given),
            get: |config, index| config.$field[index].$key.show(),
            file: |config, index| config.$field[index].$key.file(),
            // Whole lists are copied.
            copy: |config, from| config.$field.clone_from(&from.$field),
            ..key!(server_name, $about).of(stringify!($list))
        }
    };
}

macro_rules! list {
    ($list:ident as $field:ident of $entry:expr, $required:literal, $about:literal) => {
        List {
            name: stringify!($list),
            about: $about,
            required: concat!(stringify!($list), ".", $required),
            clear: |config| config.$field.clear(),
            grow: |config| config.$field.push($entry),
            len: |config| config.$field.len(),
        }
    };
}

/// All keys, those of a table together, in the order in which people read them.
pub(super) static KEYS: &[Key] = &[
    key!(server_name, "property `$ServerName` of every session").default_is("the host's name").such_as("\"tills-eu-1\""),
    key!(threads, "threads that serve sockets").default_is("half of the cores, at least 1").such_as("2"),
    key!(dev, "development mode: principals with well-known passwords, for trying things out"),
    key!(ping_period, "announced to clients and kept; `0s` for no pings"),
    key!(request_timeout, "how long a handler may take").live(),
    key!(choice, "which of several equal handlers gets a request: `least-in-flight`, `round-robin` or `sticky`").live(),
    key!(log.level, "what is logged: `error`, `warn`, `info`, `debug`, `trace`, or such a level for a part as in `info,antiphon_server=debug`").live(),
    key!(log.format, "`text` for people or `json` for programs").default_is("`text` on a terminal, else `json`").such_as("\"json\""),
    key!(recovery.keep_for, "how long a session may stay away that loses its connection; `0s`: it ends with it").live(),
    key!(recovery.messages, "messages kept for one session until it is known to have them").live(),
    key!(recovery.bytes, "and their bytes").live(),
    key!(limits.maximum_message, "bytes of one message from a client"),
    key!(limits.mailbox, "bytes that may wait for one session").live(),
    key!(limits.sessions, "sessions at once").live(),
    key!(limits.handshakes, "connections at once that are not a session yet").live(),
    key!(limits.handshake_timeout, "for one of them to become one").live(),
    key!(limits.requests_per_handler, "requests that one session may have to answer at a time").live(),
    key!(limits.requests_per_sender, "requests whose answers one session may await at a time").live(),
    entry!(listener as listeners.address, "address and port; port 0 takes a free one"),
    entry!(path as paths.path, "the path; the most specific one counts").live().such_as("\"reports\""),
    entry!(path as paths.timeout, "instead of `request_timeout`").live().such_as("\"2m\""),
    entry!(path as paths.choice, "instead of `choice`").live().such_as("\"sticky\""),
];

pub(super) static LISTS: &[List] = &[
    list!(listener as listeners of ListenerConfig::default(), "address", "where clients connect; as many tables as addresses"),
    list!(path as paths of PathRule { path: String::new(), timeout: None, choice: None }, "path", "exceptions for a path and all below it"),
];

/// All keys of the configuration.
#[must_use]
pub fn keys() -> &'static [Key] {
    KEYS
}

fn put<T: Setting>(field: &mut T, given: &Given<'_>) -> bool {
    T::read(given).map(|value| *field = value).is_some()
}

/// The type of a field says what its values look like.
fn expected<T: Setting>(_field: fn(&Config) -> &T) -> String {
    T::expected()
}
