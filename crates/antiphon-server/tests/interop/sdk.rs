//! The SDK releases under test, and tests that repeat themselves over them.

use std::fmt;

/// One published SDK release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    /// Python `diffusion` 6.6rc1, protocol 19.
    Py66,
    /// Python `diffusion` 6.12.2, protocol 25.
    Py612,
    /// JavaScript `diffusion` 6.12.1, protocol 29.
    Js,
}

impl Sdk {
    pub(crate) const ALL: [Self; 3] = [Self::Py66, Self::Py612, Self::Js];

    /// The release that the registries know.
    pub(crate) const fn release(self) -> &'static str {
        match self {
            Self::Py66 => "6.6rc1",
            Self::Py612 => "6.12.2",
            Self::Js => "6.12.1",
        }
    }

    pub(crate) const fn is_python(self) -> bool {
        matches!(self, Self::Py66 | Self::Py612)
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Py66 => "py66",
            Self::Py612 => "py612",
            Self::Js => "js",
        })
    }
}

/// Makes a module of three tests out of one check that takes an SDK.
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
        }
    };
}

/// Makes a module of nine tests out of one check that takes a sender and a handler.
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
        }
    };
}

pub(crate) use for_every_pair;
pub(crate) use for_every_sdk;
