//! The security store: principals, roles and passwords in a file, which people and programs change. Opens no sessions and
//! decides about no calls; the model is [`antiphon_broker::access`]'s.
//!
//! | module | holds |
//! |---|---|
//! | `store` | what is current; changes and reloads, all or nothing |
//! | `layout` | the TOML in the file |
//! | `file` | replacing a file as a whole, by one process at a time |
//! | [`password`] | hashes |
//! | `updates` | changes that sessions ask for |
//! | `development` | the principals of development mode |
//! | `init` | the first store |

pub mod password;

pub(crate) mod development;
mod file;
mod init;
mod layout;
mod store;
mod updates;

pub use antiphon_broker::access;
pub use antiphon_broker::properties::Believed;
pub use antiphon_broker::properties::Pattern;
pub use antiphon_broker::properties::Trust;

pub use crate::security::file::FileError;
pub use crate::security::init::Administrator;
pub use crate::security::init::InitError;
pub use crate::security::init::init;
pub use crate::security::layout::LayoutError;
pub use crate::security::store::Contents;
pub use crate::security::store::Store;
pub use crate::security::store::StoreError;
pub use crate::security::store::Verdict;

pub(crate) use crate::security::updates::Home;
pub(crate) use crate::security::updates::Updates;
