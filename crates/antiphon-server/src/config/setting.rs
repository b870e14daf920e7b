//! How a value of the configuration is written, in TOML and in the environment: the one home of each type's syntax.
//! What a value means is not known here.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use antiphon_broker::Choice;
use toml::de::DeValue;

use crate::config::ClientCertificates;
use crate::config::LogFormat;
use crate::config::NameIn;
use crate::config::Network;
use crate::config::OperationsAddress;
use crate::config::Origins;
use crate::config::span::Span;

/// A value as it was given.
pub(super) struct Given<'a> {
    pub(super) form: Form<'a>,
    /// What a relative path is relative to.
    pub(super) folder: &'a Path,
}

/// A value of a file says its type, one of the environment or of a flag does not.
pub(super) enum Form<'a> {
    Toml(&'a DeValue<'a>),
    Bare(&'a str),
}

/// A type of value.
pub(super) trait Setting: Sized {
    /// What it must look like, for people who wrote something else.
    fn expected() -> String;

    fn read(given: &Given<'_>) -> Option<Self>;

    /// In TOML; `None` if there is no value.
    fn show(&self) -> Option<String>;

    /// The file that it names.
    fn file(&self) -> Option<&Path> {
        None
    }
}

impl<'a> Given<'a> {
    fn text(&self) -> Option<&'a str> {
        match self.form {
            Form::Toml(value) => value.as_str(),
            Form::Bare(text) => Some(text),
        }
    }

    /// The items of a list.
    fn texts(&self) -> Option<Vec<&'a str>> {
        match self.form {
            Form::Toml(value) => {
                value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect()
            }
            Form::Bare(text) => Some(text.split(',').map(str::trim).collect()),
        }
    }

    /// The keys of a table with their values.
    fn pairs(&self) -> Option<Vec<(String, Given<'a>)>> {
        let folder = self.folder;
        match self.form {
            Form::Toml(value) => {
                let pairs = value.as_table()?.iter().map(|(key, value)| {
                    let form = Form::Toml(value.get_ref());
                    (key.get_ref().to_string(), Given { form, folder })
                });
                Some(pairs.collect())
            }
            Form::Bare(text) => text
                .split(',')
                .map(|pair| {
                    // Names of certificates have equals signs, what they are mapped to has not.
                    let (key, value) = pair.trim().rsplit_once('=')?;
                    Some((key.to_owned(), Given { form: Form::Bare(value), folder }))
                })
                .collect(),
        }
    }

    fn whole(&self) -> Option<u64> {
        match self.form {
            Form::Toml(value) => {
                let number = value.as_integer()?;
                u64::from_str_radix(number.as_str(), number.radix()).ok()
            }
            Form::Bare(text) => text.replace('_', "").parse().ok(),
        }
    }
}

impl Setting for String {
    fn expected() -> String {
        "text in quotes".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        given.text().map(str::to_owned)
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for bool {
    fn expected() -> String {
        "true or false".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        match given.form {
            Form::Toml(value) => value.as_bool(),
            Form::Bare("true" | "1" | "yes" | "on") => Some(true),
            Form::Bare("false" | "0" | "no" | "off") => Some(false),
            Form::Bare(_) => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Whole numbers of several sizes.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            fn expected() -> String {
                // TOML knows none above.
                let most = u64::try_from(Self::MAX).unwrap_or(u64::MAX).min(i64::MAX as u64);
                format!("a whole number from 0 to {most}")
            }

            fn read(given: &Given<'_>) -> Option<Self> {
                given.whole()?.try_into().ok()
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

numbers!(usize, u32, u64);

impl Setting for Duration {
    fn expected() -> String {
        "a duration such as \"300ms\", \"10s\", \"2m\" or \"1h\"".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok().map(|Span(duration)| duration)
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&Span(*self).to_string()))
    }
}

impl Setting for SocketAddr {
    fn expected() -> String {
        "an address and a port, such as \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\""
            .to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for OperationsAddress {
    fn expected() -> String {
        format!("{}; or \"{OFF}\" for none", SocketAddr::expected())
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        if given.text() == Some(OFF) {
            return Some(Self(None));
        }
        SocketAddr::read(given).map(|address| Self(Some(address)))
    }

    fn show(&self) -> Option<String> {
        self.0.map_or_else(|| Some(quoted(OFF)), |address| address.show())
    }
}

/// In place of an address.
const OFF: &str = "off";

impl Setting for PathBuf {
    fn expected() -> String {
        "the name of a file, in quotes".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        given.text().filter(|name| !name.is_empty()).map(|name| given.folder.join(name))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }

    fn file(&self) -> Option<&Path> {
        Some(self)
    }
}

impl Setting for Vec<String> {
    fn expected() -> String {
        "a list of texts, such as [\"a\", \"b\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        Some(given.texts()?.into_iter().map(str::to_owned).collect())
    }

    fn show(&self) -> Option<String> {
        Some(listed(self))
    }
}

impl Setting for BTreeSet<String> {
    fn expected() -> String {
        Vec::<String>::expected()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        Some(given.texts()?.into_iter().map(str::to_owned).collect())
    }

    fn show(&self) -> Option<String> {
        Some(listed(&self.iter().collect::<Vec<_>>()))
    }
}

impl Setting for Vec<PathBuf> {
    fn expected() -> String {
        "a list of files, such as [\"a.pem\", \"b.pem\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        Some(given.texts()?.into_iter().map(|name| given.folder.join(name)).collect())
    }

    fn show(&self) -> Option<String> {
        Some(listed(&self.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>()))
    }
}

impl Setting for BTreeMap<String, String> {
    fn expected() -> String {
        "a table of texts, such as { Key = \"value\" }; in the environment Key=value,...".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        let pairs = given.pairs()?.into_iter();
        pairs.map(|(key, value)| Some((key, value.text()?.to_owned()))).collect()
    }

    fn show(&self) -> Option<String> {
        Some(table(self.iter().map(|(key, value)| (key, quoted(value)))))
    }
}

impl Setting for BTreeMap<String, BTreeSet<String>> {
    fn expected() -> String {
        "a table of lists, such as { name = [\"a\", \"b\"] }; in the environment name=a,name=b"
            .to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        let mut lists = Self::new();
        for (key, value) in given.pairs()? {
            lists.entry(key).or_default().extend(BTreeSet::read(&value)?);
        }
        Some(lists)
    }

    fn show(&self) -> Option<String> {
        Some(table(self.iter().filter_map(|(key, list)| Some((key, list.show()?)))))
    }
}

impl Setting for Vec<Network> {
    fn expected() -> String {
        "a list of addresses or networks, such as [\"10.1.2.3\", \"10.0.0.0/8\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        given.texts()?.into_iter().map(|text| text.parse().ok()).collect()
    }

    fn show(&self) -> Option<String> {
        Some(listed(self))
    }
}

impl Setting for Origins {
    fn expected() -> String {
        "\"any\", \"same\" or a list such as [\"https://app.example\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        match given.text() {
            Some("any") => Some(Self::Any),
            Some("same") => Some(Self::Same),
            _ => Vec::read(given).map(Self::Listed),
        }
    }

    fn show(&self) -> Option<String> {
        match self {
            Self::Any => Some(quoted("any")),
            Self::Same => Some(quoted("same")),
            Self::Listed(origins) => origins.show(),
        }
    }
}

impl<T: Setting> Setting for Option<T> {
    fn expected() -> String {
        T::expected()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        T::read(given).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }

    fn file(&self) -> Option<&Path> {
        self.as_ref().and_then(T::file)
    }
}

/// A choice among words.
macro_rules! words {
    ($($kind:ty { $($word:literal => $value:path),* $(,)? })*) => {$(
        impl Setting for $kind {
            fn expected() -> String {
                let words = [$(concat!("\"", $word, "\"")),*];
                format!("one of {}", words.join(", "))
            }

            fn read(given: &Given<'_>) -> Option<Self> {
                match given.text()? {
                    $($word => Some($value),)*
                    _ => None,
                }
            }

            fn show(&self) -> Option<String> {
                match self {
                    $($value => Some(quoted($word)),)*
                }
            }
        }
    )*};
}

words! {
    Choice {
        "least-in-flight" => Choice::LeastInFlight,
        "round-robin" => Choice::RoundRobin,
        "sticky" => Choice::Sticky,
    }
    ClientCertificates {
        "none" => ClientCertificates::None,
        "optional" => ClientCertificates::Optional,
        "required" => ClientCertificates::Required,
    }
    NameIn {
        "cn" => NameIn::CommonName,
        "dns" => NameIn::Dns,
        "email" => NameIn::Email,
        "uri" => NameIn::Uri,
    }
    LogFormat {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
    }
}

/// Text as a string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn listed(items: &[impl ToString]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// As an inline table of TOML.
fn table<'k>(pairs: impl Iterator<Item = (&'k String, String)>) -> String {
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{} = {value}", quoted(key))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}
