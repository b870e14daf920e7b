//! The SDK releases under test, and tests that repeat themselves over them.

use std::fmt;

/// One SDK: a published release, or the one of this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    /// Python `diffusion` 6.6rc1, protocol 19.
    Py66,
    /// Python `diffusion` 6.12.2, protocol 25.
    Py612,
    /// JavaScript `diffusion` 6.12.1, protocol 29.
    Js,
    /// Rust `antiphon` of this workspace, protocol 29.
    Rust,
}

impl Sdk {
    pub(crate) const ALL: [Self; 4] = [Self::Py66, Self::Py612, Self::Js, Self::Rust];

    /// The version; of a published SDK, the one that the registries know.
    pub(crate) const fn release(self) -> &'static str {
        match self {
            Self::Py66 => "6.6rc1",
            Self::Py612 => "6.12.2",
            Self::Js => "6.12.1",
            Self::Rust => env!("CARGO_PKG_VERSION"),
        }
    }

    pub(crate) const fn is_python(self) -> bool {
        matches!(self, Self::Py66 | Self::Py612)
    }

    /// Whether it comes from a registry, and so runs in a process of its own.
    pub(crate) const fn is_published(self) -> bool {
        !matches!(self, Self::Rust)
    }

    /// What the server tells as `$ClientType`.
    pub(crate) const fn client_type(self) -> &'static str {
        match self {
            Self::Py66 | Self::Py612 => "PYTHON",
            Self::Js => "JAVASCRIPT_BROWSER",
            Self::Rust => "OTHER",
        }
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Py66 => "py66",
            Self::Py612 => "py612",
            Self::Js => "js",
            Self::Rust => "rust",
        })
    }
}

/// Makes a module of four tests out of one check that takes an SDK.
macro_rules! for_every_sdk {
    ($sentence:ident, $check:path) => {
        mod $sentence {
            use crate::sdk::Sdk;

            #[test]
            fn with_py66() {
                $check(Sdk::Py66);
            }

            #[test]
            fn with_py612() {
                $check(Sdk::Py612);
            }

            #[test]
            fn with_js() {
                $check(Sdk::Js);
            }

            #[test]
            fn with_rust() {
                $check(Sdk::Rust);
            }
        }
    };
}

/// As `for_every_sdk`, without the Rust SDK: for what it does not offer.
macro_rules! for_every_published_sdk {
    ($sentence:ident, $check:path) => {
        mod $sentence {
            use crate::sdk::Sdk;

            #[test]
            fn with_py66() {
                $check(Sdk::Py66);
            }

            #[test]
            fn with_py612() {
                $check(Sdk::Py612);
            }

            #[test]
            fn with_js() {
                $check(Sdk::Js);
            }
        }
    };
}

/// Makes a module of sixteen tests out of one check that takes a sender and a handler.
macro_rules! for_every_pair {
    ($sentence:ident, $check:path) => {
        mod $sentence {
            use crate::sdk::Sdk;

            #[test]
            fn from_py66_to_py66() {
                $check(Sdk::Py66, Sdk::Py66);
            }

            #[test]
            fn from_py66_to_py612() {
                $check(Sdk::Py66, Sdk::Py612);
            }

            #[test]
            fn from_py66_to_js() {
                $check(Sdk::Py66, Sdk::Js);
            }

            #[test]
            fn from_py66_to_rust() {
                $check(Sdk::Py66, Sdk::Rust);
            }

            #[test]
            fn from_py612_to_py66() {
                $check(Sdk::Py612, Sdk::Py66);
            }

            #[test]
            fn from_py612_to_py612() {
                $check(Sdk::Py612, Sdk::Py612);
            }

            #[test]
            fn from_py612_to_js() {
                $check(Sdk::Py612, Sdk::Js);
            }

            #[test]
            fn from_py612_to_rust() {
                $check(Sdk::Py612, Sdk::Rust);
            }

            #[test]
            fn from_js_to_py66() {
                $check(Sdk::Js, Sdk::Py66);
            }

            #[test]
            fn from_js_to_py612() {
                $check(Sdk::Js, Sdk::Py612);
            }

            #[test]
            fn from_js_to_js() {
                $check(Sdk::Js, Sdk::Js);
            }

            #[test]
            fn from_js_to_rust() {
                $check(Sdk::Js, Sdk::Rust);
            }

            #[test]
            fn from_rust_to_py66() {
                $check(Sdk::Rust, Sdk::Py66);
            }

            #[test]
            fn from_rust_to_py612() {
                $check(Sdk::Rust, Sdk::Py612);
            }

            #[test]
            fn from_rust_to_js() {
                $check(Sdk::Rust, Sdk::Js);
            }

            #[test]
            fn from_rust_to_rust() {
                $check(Sdk::Rust, Sdk::Rust);
            }
        }
    };
}

pub(crate) use for_every_pair;
pub(crate) use for_every_published_sdk;
pub(crate) use for_every_sdk;
