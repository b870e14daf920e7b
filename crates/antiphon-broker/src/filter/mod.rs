//! The session filter language: which sessions does a text such as `$Country is "FR"` mean?
//!
//! A [`Filter`] is parsed once and then asked about sessions one by one. An index over sessions can be
//! asked first, through [`Filter::narrow`], which sessions are worth asking about. This module holds no
//! sessions and no index, and knows neither clock nor network.
//!
//! ```
//! use antiphon_broker::filter::{Attributes, Filter};
//!
//! struct Session {
//!     country: &'static str,
//! }
//!
//! impl Attributes for Session {
//!     fn property(&self, key: &str) -> Option<&str> {
//!         (key == "$Country").then_some(self.country)
//!     }
//!     fn has_role(&self, role: &str) -> bool {
//!         role == "CLIENT"
//!     }
//!     fn role_count(&self) -> usize {
//!         1
//!     }
//! }
//!
//! let filter = Filter::parse(r#"hasRoles "CLIENT" and not $Country in ["UK", "US"]"#)?;
//! assert!(filter.matches(&Session { country: "FR" }));
//! assert!(!filter.matches(&Session { country: "UK" }));
//! # Ok::<(), antiphon_broker::filter::FilterError>(())
//! ```
//!
//! # Clauses
//!
//! | clause | true for a session |
//! |---|---|
//! | `all` | always |
//! | `key is "v"`, `key eq "v"` | that has the property with exactly this value |
//! | `key ne "v"` | for which `key is "v"` is false, so also one without the property |
//! | `key in ["v", "w"]` | that has the property with one of these values |
//! | `key matches "re"` | that has the property, and the expression matches its whole value |
//! | `has key` | that has the property, even with the empty value |
//! | `hasRoles ["r", "s"]` | that has all these roles, and perhaps others |
//!
//! Clauses are combined by `not`, `and`, `or` and parentheses; `not` binds tightest, `or` loosest:
//!
//! ```
//! # use antiphon_broker::filter::Filter;
//! Filter::parse(r#"not (Department is "Payroll" or Department is "Accounts") and $Country is "FR""#)?;
//! Filter::parse("$Principal IS '' OR HASROLES 'operator'")?; // '' is the anonymous principal
//! # Ok::<(), antiphon_broker::filter::FilterError>(())
//! ```
//!
//! # Words and values
//!
//! Keywords and operators are case-insensitive, keys and values case-sensitive. Space, tab, carriage
//! return and line feed separate; they are needed only between two words.
//!
//! A **key** is a run of any characters but those four and `"` `'` `(` `)`. Keys that begin with `$` name
//! fixed properties; one that no session has is not an error. A keyword or an operator may be a key too:
//! a keyword that is followed by an operator and a value is a key, and what follows `has` always is.
//!
//! A **value** stands between `'` or between `"`. A backslash escapes: `\'` `\"` `\\` `\n` `\t` `\r` and
//! `\uXXXX`, a UTF-16 code unit. Any other escape is an error. Line breaks may stand in a value as they are.
//!
//! A **list** holds at least one value, separated by commas or spaces, with or without `[ ]` or `{ }`
//! around it.
//!
//! ```
//! # use antiphon_broker::filter::Filter;
//! for text in [
//!     r#"$Country in 'UK','DE' "FR""#,
//!     r#"Version in {"6","7","8"}"#,
//!     r#"has has and has is "yes" and all ne 'no'"#,
//!     r#"Text is "xyz\"\\\u00e9""#,
//! ] {
//!     Filter::parse(text)?;
//! }
//! # Ok::<(), antiphon_broker::filter::FilterError>(())
//! ```
//!
//! # Roles
//!
//! `$Roles` is a set: with `is`, `eq`, `ne` and `in`, each value is a list of quoted roles in the syntax
//! above (empty for no roles at all), and is compared without regard to order, quotes or separators. With
//! `has` and `matches`, `$Roles` is its text, like any other property.
//!
//! ```
//! # use antiphon_broker::filter::Filter;
//! Filter::parse(r#"$Roles eq '"admin","client"'"#)?;
//! assert!(Filter::parse("$Roles eq 'admin'").is_err()); // not a quoted role
//! # Ok::<(), antiphon_broker::filter::FilterError>(())
//! ```
//!
//! # Regular expressions
//!
//! The syntax is that of the [`regex`] crate, which takes time linear in the value. Against Java's it
//! lacks look-around, back-references, atomic groups and `\Q..\E`; `a++` is no possessive quantifier; and
//! `\d`, `\w`, `\s`, `\b` and the flag `i` know all of Unicode. The flag `i` may stand only with plain ASCII
//! classes such as `[a-z]`, because folding the case of wide classes takes seconds. A backslash of the
//! expression is written twice in the filter:
//!
//! ```
//! # use antiphon_broker::filter::Filter;
//! Filter::parse(r#"$ClientIP matches "192\\.168\\..*""#)?;
//! # Ok::<(), antiphon_broker::filter::FilterError>(())
//! ```
//!
//! # Errors
//!
//! The first error ends the parsing. It says where it is and what was expected:
//!
//! ```
//! # use antiphon_broker::filter::Filter;
//! let error = Filter::parse(r#"Department "Payroll""#).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "line 1, column 12: expected an operator (is, eq, ne, in, matches) after key Department, found \"Payroll\"",
//! );
//! ```
//!
//! A filter without any clause is an error, and so is one over a limit: [`Bounds`], [`MAX_PATTERNS`],
//! [`MAX_PATTERN_LENGTH`], [`MAX_PATTERN_SIZE`].

mod error;
mod eval;
mod lexer;
mod parser;
mod pattern;
mod plan;

pub use error::FilterError;
pub use pattern::MAX_PATTERN_LENGTH;
pub use pattern::MAX_PATTERN_SIZE;
pub use pattern::MAX_PATTERNS;
pub(crate) use pattern::compile_pattern;
pub use plan::Bucket;
pub use plan::Index;
pub use plan::Narrowed;

use self::eval::Expr;

/// What a filter may be like, besides what [`MAX_PATTERNS`] and its like say of regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest text, in bytes.
    pub length: usize,
    /// How deep parentheses and `not` may nest, counted together; no more than [`MAX_DEPTH`] counts.
    pub depth: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // A few hundred session ids fit in, and nobody writes a deeper one by hand.
        Self { length: 16 * 1024, depth: 64 }
    }
}

/// How deep parentheses and `not` may nest at most: every level takes some of the stack.
pub const MAX_DEPTH: usize = 128;

/// A parsed session filter.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Expr,
}

/// What a filter can ask of one session.
pub trait Attributes {
    /// The value of a fixed or user-defined property; `None` if the session does not have it.
    /// `$Roles` has the text `"a","b"`.
    fn property(&self, key: &str) -> Option<&str>;

    /// Whether the session has this role.
    fn has_role(&self, role: &str) -> bool;

    /// How many different roles the session has.
    fn role_count(&self) -> usize;
}

impl Filter {
    /// Parses `text` within the default bounds, or says what is wrong with it and where.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Self::parse_within(text, Bounds::default())
    }

    /// Parses `text` within bounds, or says what is wrong with it and where.
    pub fn parse_within(text: &str, bounds: Bounds) -> Result<Filter, FilterError> {
        parser::parse(text, bounds).map(|root| Filter { root })
    }

    /// Whether `session` is one that the filter means.
    pub fn matches(&self, session: &impl Attributes) -> bool {
        self.root.matches(session)
    }

    /// Which buckets of `index` together contain every match, by the cheapest way that the index offers.
    ///
    /// What is found in a bucket still has to pass [`Filter::matches`].
    pub fn narrow<'f>(&'f self, index: &impl Index) -> Narrowed<'f> {
        plan::narrow(&self.root, index)
    }
}
