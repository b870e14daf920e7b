//! What is logged and how. The server only emits; whoever starts it decides by this where it goes.

/// The log. Table `[log]` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What is logged, in the syntax of the crate `tracing-subscriber`. Default `info`.
    pub level: String,
    /// Default: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: None }
    }
}
