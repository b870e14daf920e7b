//! How a value of the configuration is written, in TOML and in the environment: the one home of each type's syntax;
//! `lists` has those of many values. What a value means is not known here.

mod lists;

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use antiphon_broker::Choice;
use toml::de::DeValue;

use crate::config::ClientCertificates;
use crate::config::LogFormat;
use crate::config::NameIn;
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
}

impl<'a> Given<'a> {
    fn text(&self) -> Option<&'a str> {
        match self.form {
            Form::Toml(value) => value.as_str(),
            Form::Bare(text) => Some(text),
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
