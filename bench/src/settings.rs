//! What is measured: the five settings, and how long.

use std::time::Duration;

/// How many connections ask and answer, how many requests are on their way in all, and how many bytes each has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) requesters: usize,
    pub(crate) handlers: usize,
    pub(crate) outstanding: usize,
    pub(crate) payload: usize,
}

const fn setting(name: &'static str, sizes: [usize; 4]) -> Setting {
    let [requesters, handlers, outstanding, payload] = sizes;
    Setting { name, requesters, handlers, outstanding, payload }
}

pub(crate) const SMALL: Setting = setting("small", [4, 4, 64, 128]);

pub(crate) const SETTINGS: [Setting; 5] = [
    setting("lat", [1, 1, 1, 128]),
    SMALL,
    setting("mid", [16, 16, 256, 128]),
    setting("big", [64, 16, 1024, 128]),
    setting("fat", [4, 4, 64, 16384]),
];

impl Setting {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let names = SETTINGS.map(|setting| setting.name).join(", ");
        let found = SETTINGS.into_iter().find(|setting| setting.name == name);
        found.ok_or_else(|| format!("there is no setting {name}, only {names}"))
    }

    /// How many of the requests are on their way from this requester.
    pub(crate) const fn share(&self, requester: usize) -> usize {
        let more = requester < self.outstanding % self.requesters;
        self.outstanding / self.requesters + if more { 1 } else { 0 }
    }
}

/// How long a run takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Times {
    pub(crate) const FULL: Self =
        Self { warm_up: Duration::from_secs(1), measured: Duration::from_millis(1500) };
    /// To see that all works, and nothing else.
    pub(crate) const QUICK: Self =
        Self { warm_up: Duration::from_millis(100), measured: Duration::from_millis(300) };
}
