//! The configuration file: it is read, or refused with a reason.

use antiphon_server::Config;

/// The text of a configuration file.
///
/// # Panics
/// If a refusal says nothing, or if a configuration that was read is not legal.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Ok(config) => assert_eq!(config.check(), Ok(())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
