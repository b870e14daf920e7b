//! Who has failed too often. Each failure takes something from an allowance that grows back with time.
//!
//! There are three, and each is there for another attack: a principal from one address is guessed at, so that address is
//! refused that principal; an address tries many principals, so it is refused them all; many addresses try one principal,
//! so that each attempt for it has to wait a little. Nobody can lock a principal out from other addresses.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_broker::Millis;
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::auth::applicant::Applicant;
use crate::config::AttemptsConfig;
use crate::config::Config;
use crate::config::Network;

/// The allowances that are not full.
pub(super) struct Attempts {
    rules: ArcSwap<Rules>,
    hasher: RandomState,
    memory: Mutex<Memory>,
    refused: AtomicU64,
    delayed: AtomicU64,
}

/// How many were held up from the start of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldUp {
    pub(crate) refused: u64,
    pub(crate) delayed: u64,
}

struct Rules {
    config: AttemptsConfig,
    /// Addresses that bring many clients, whose failures are not one another's.
    proxies: Vec<Network>,
}

/// Whether somebody may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    After(Duration),
    Never,
}

/// Two generations of allowances: when the younger one is full the older one is forgotten, so that memory is bounded and
/// those who failed last are remembered.
#[derive(Default)]
struct Memory {
    young: HashMap<Key, Debt>,
    old: HashMap<Key, Debt>,
}

/// A hash, keyed so that nobody can make two things equal. Names may be long.
type Key = u64;

/// What was taken and has not grown back.
#[derive(Debug, Clone, Copy)]
struct Debt {
    /// In milliseconds of growing.
    owed: u64,
    at: Millis,
}

/// For whom an allowance is.
#[derive(Clone, Copy)]
enum Whose {
    Both,
    Address,
    Principal,
}

impl Attempts {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            rules: ArcSwap::from_pointee(Rules::new(config)),
            hasher: RandomState::new(),
            memory: Mutex::default(),
            refused: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
        }
    }

    /// Goes by other rules from here on. What has failed is remembered.
    pub(super) fn reconfigure(&self, config: &Config) {
        self.rules.store(Arc::new(Rules::new(config)));
    }

    pub(super) fn admit(&self, applicant: &Applicant, now: Millis) -> Admission {
        let rules = self.rules.load();
        let is_proxy = rules.proxies.iter().any(|proxy| proxy.contains(applicant.client));
        let mut memory = self.memory.lock();
        let mut exhausted = |whose: Whose| {
            let owed = memory.owed(self.key(whose, applicant), now);
            rules.each(whose).is_some_and(|each| owed.saturating_add(each) > rules.window())
        };
        if exhausted(Whose::Both) || !is_proxy && exhausted(Whose::Address) {
            self.refused.fetch_add(1, Relaxed);
            Admission::Never
        } else if exhausted(Whose::Principal) {
            self.delayed.fetch_add(1, Relaxed);
            Admission::After(rules.config.delay)
        } else {
            Admission::Now
        }
    }

    pub(super) fn failed(&self, applicant: &Applicant, now: Millis) {
        let rules = self.rules.load();
        let mut memory = self.memory.lock();
        for whose in [Whose::Both, Whose::Address, Whose::Principal] {
            if let Some(each) = rules.each(whose) {
                let key = self.key(whose, applicant);
                let owed = memory.owed(key, now).saturating_add(each);
                // Those who were under way together may owe more than the window, but not for much longer than it.
                memory.put(key, Debt { owed: owed.min(2 * rules.window()), at: now });
            }
        }
    }

    pub(super) fn held_up(&self) -> HeldUp {
        HeldUp { refused: self.refused.load(Relaxed), delayed: self.delayed.load(Relaxed) }
    }

    fn key(&self, whose: Whose, applicant: &Applicant) -> Key {
        let (principal, address) = (applicant.principal.as_str(), network(applicant.client));
        match whose {
            Whose::Both => self.hasher.hash_one((0, principal, address)),
            Whose::Address => self.hasher.hash_one((1, address)),
            Whose::Principal => self.hasher.hash_one((2, principal)),
        }
    }
}

impl Rules {
    /// In development mode the passwords are known anyway, and tests fail on purpose.
    fn new(config: &Config) -> Self {
        let attempts = config.security.attempts.clone();
        let unlimited = AttemptsConfig {
            principal_and_address: 0,
            address: 0,
            principal: 0,
            ..attempts.clone()
        };
        let proxies = config.limits.proxies.clone();
        Self { config: if config.dev { unlimited } else { attempts }, proxies }
    }

    /// How long one failure takes to be forgotten; `None` if any number is allowed.
    fn each(&self, whose: Whose) -> Option<u64> {
        let allowed = match whose {
            Whose::Both => self.config.principal_and_address,
            Whose::Address => self.config.address,
            Whose::Principal => self.config.principal,
        };
        (allowed > 0).then(|| (self.window() / u64::from(allowed)).max(1))
    }

    fn window(&self) -> u64 {
        u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX / 4)
    }
}

impl Memory {
    fn owed(&mut self, key: Key, now: Millis) -> u64 {
        let debt = self.young.get(&key).or_else(|| self.old.get(&key));
        debt.map_or(0, |debt| debt.owed.saturating_sub(now.0.saturating_sub(debt.at.0)))
    }

    fn put(&mut self, key: Key, debt: Debt) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, debt);
    }
}

/// What one customer of a network has: an IPv4 address, or 2^64 IPv6 addresses.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
    }
}

/// Three entries a failure: the last 20,000 failures at least are remembered, in a few megabytes.
const GENERATION: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::applicant::Proof;

    fn attempts() -> Attempts {
        with(AttemptsConfig {
            window: Duration::from_secs(60),
            principal_and_address: 3,
            address: 6,
            principal: 10,
            delay: Duration::from_secs(1),
        })
    }

    fn with(attempts: AttemptsConfig) -> Attempts {
        let mut config = Config::default();
        config.security.attempts = attempts;
        Attempts::new(&config)
    }

    fn applicant(principal: &str, address: &str) -> Applicant {
        Applicant {
            principal: principal.to_owned(),
            proof: Proof::None,
            proposed: Vec::new(),
            properties: Default::default(),
            client: address.parse().unwrap(),
            certificate: None,
            session: None,
        }
    }

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_principal_is_refused_an_address_that_failed_until_it_grew_back() {
        let (attempts, bob) = (attempts(), applicant("bob", "10.0.0.1"));
        for _ in 0..3 {
            assert_eq!(attempts.admit(&bob, NOW), Admission::Now);
            attempts.failed(&bob, NOW);
        }
        assert_eq!(attempts.admit(&bob, NOW), Admission::Never);
        assert_eq!(attempts.admit(&applicant("bob", "10.0.0.2"), NOW), Admission::Now);
        assert_eq!(attempts.admit(&applicant("ann", "10.0.0.1"), NOW), Admission::Now);
        assert_eq!(attempts.admit(&bob, Millis(NOW.0 + 19_999)), Admission::Never);
        assert_eq!(attempts.admit(&bob, Millis(NOW.0 + 20_000)), Admission::Now);
    }

    #[test]
    fn an_address_that_tries_many_principals_is_refused() {
        let attempts = attempts();
        for number in 0..6 {
            let somebody = applicant(&format!("user{number}"), "10.0.0.1");
            assert_eq!(attempts.admit(&somebody, NOW), Admission::Now);
            attempts.failed(&somebody, NOW);
        }
        assert_eq!(attempts.admit(&applicant("", "10.0.0.1"), NOW), Admission::Never);
        assert_eq!(attempts.admit(&applicant("", "10.0.0.2"), NOW), Admission::Now);
    }

    #[test]
    fn the_clients_of_a_proxy_do_not_fail_for_each_other() {
        let attempts = attempts();
        for number in 0..20 {
            let somebody = applicant(&format!("user{number}"), "127.0.0.1");
            assert_eq!(attempts.admit(&somebody, NOW), Admission::Now);
            attempts.failed(&somebody, NOW);
        }
        let bob = applicant("bob", "127.0.0.1");
        (0..3).for_each(|_| attempts.failed(&bob, NOW));
        assert_eq!(attempts.admit(&bob, NOW), Admission::Never);
    }

    #[test]
    fn a_principal_tried_from_many_addresses_is_slow_and_not_locked_out() {
        let attempts = attempts();
        for number in 0..10 {
            attempts.failed(&applicant("bob", &format!("10.0.0.{number}")), NOW);
        }
        let elsewhere = applicant("bob", "192.168.0.1");
        assert_eq!(attempts.admit(&elsewhere, NOW), Admission::After(Duration::from_secs(1)));
        assert_eq!(attempts.admit(&elsewhere, Millis(NOW.0 + 6_000)), Admission::Now);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let attempts = attempts();
        for number in 0..3 {
            attempts.failed(&applicant("bob", &format!("2001:db8::{number}")), NOW);
        }
        assert_eq!(
            attempts.admit(&applicant("bob", "2001:db8::ffff:1:2:3"), NOW),
            Admission::Never
        );
        assert_eq!(attempts.admit(&applicant("bob", "2001:db8:0:1::1"), NOW), Admission::Now);
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_both_forms() {
        let attempts = attempts();
        (0..3).for_each(|_| attempts.failed(&applicant("bob", "::ffff:10.0.0.1"), NOW));
        assert_eq!(attempts.admit(&applicant("bob", "10.0.0.1"), NOW), Admission::Never);
    }

    #[test]
    fn failures_that_were_under_way_together_are_owed() {
        let (attempts, bob) = (attempts(), applicant("bob", "10.0.0.1"));
        (0..1_000).for_each(|_| attempts.failed(&bob, NOW));
        assert_eq!(attempts.admit(&bob, Millis(NOW.0 + 60_000)), Admission::Never);
        assert_eq!(attempts.admit(&bob, Millis(NOW.0 + 120_000)), Admission::Now);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = attempts();
        for number in 0..(GENERATION as u32) {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
            attempts.failed(&applicant(&number.to_string(), &address), NOW);
        }
        let memory = attempts.memory.lock();
        assert!(memory.young.len() <= GENERATION && memory.old.len() <= GENERATION);
        assert!(memory.young.len() + memory.old.len() > GENERATION);
    }

    #[test]
    fn other_rules_remember_who_has_failed() {
        let (attempts, bob) = (attempts(), applicant("bob", "10.0.0.1"));
        (0..3).for_each(|_| attempts.failed(&bob, NOW));
        assert_eq!(attempts.admit(&bob, NOW), Admission::Never);
        let mut config = Config::default();
        config.security.attempts = AttemptsConfig {
            window: Duration::from_secs(60),
            principal_and_address: 0,
            address: 0,
            principal: 3,
            delay: Duration::from_secs(7),
        };
        attempts.reconfigure(&config);
        assert_eq!(attempts.admit(&bob, NOW), Admission::Now, "6 s each of 20 that are allowed");
        (0..3).for_each(|_| attempts.failed(&bob, NOW));
        assert_eq!(attempts.admit(&bob, NOW), Admission::After(Duration::from_secs(7)));
        assert_eq!(attempts.held_up(), HeldUp { refused: 1, delayed: 1 });
    }

    #[test]
    fn no_allowance_means_any_number() {
        let unlimited = AttemptsConfig {
            principal_and_address: 0,
            address: 0,
            principal: 0,
            ..AttemptsConfig::default()
        };
        let attempts = with(unlimited);
        let bob = applicant("bob", "10.0.0.1");
        (0..1_000).for_each(|_| attempts.failed(&bob, NOW));
        assert_eq!(attempts.admit(&bob, NOW), Admission::Now);
    }
}
