//! The door: how many may come in, in all and from one address, and how fast. Counts whom it turns away.
//!
//! An address is one of IPv4, or a network of 64 bits of IPv6, since every subscriber has one of those. Addresses without
//! connections are forgotten when more than [`MOST_REMEMBERED`] are known, or twice as many as had connections the last time.

mod refused;

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_broker::Millis;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::net::TcpStream;
use tracing::debug;
use tracing::warn;

use crate::config::Limits;
use crate::config::Network;
pub(crate) use crate::door::refused::Refused;
use crate::socket;

/// Where connections come in, and what is known of those that are there.
pub(crate) struct Door {
    crowd: Mutex<Crowd>,
    refused: [AtomicU64; Refused::ALL.len()],
    /// How often new connections had to wait because of limit `handshakes`.
    waits: AtomicU64,
}

#[derive(Clone, Default)]
struct Most {
    connections: usize,
    per_address: u32,
    handshakes_per_address: u32,
    /// Between two new connections from one address, in microseconds, if they come evenly.
    interval: u64,
    /// For these the limits for one address do not hold.
    proxies: Vec<Network>,
}

#[derive(Default)]
struct Crowd {
    most: Most,
    connections: usize,
    addresses: HashMap<Address, Known>,
    /// When so many are known, those without connections are forgotten.
    forget_at: usize,
    /// Nothing is logged before that time, but counted.
    quiet_until: Millis,
    unsaid: u64,
}

/// An address as it is counted: of IPv6 the first 64 bits, and of IPv4 as IPv6 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(u128);

#[derive(Default)]
struct Known {
    connections: u32,
    handshakes: u32,
    /// When the next connection would come if they came evenly, in microseconds.
    expected: u64,
}

/// A connection that came in. It is counted until this is dropped.
pub(crate) struct Admission {
    door: Arc<Door>,
    /// `None` if its address is not counted.
    address: Option<Address>,
    handshaking: bool,
}

impl Door {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            crowd: Mutex::new(Crowd { most: Most::new(limits), ..Crowd::default() }),
            refused: Default::default(),
            waits: AtomicU64::new(0),
        }
    }

    /// Takes over other limits for whoever comes from here on.
    pub(crate) fn reconfigure(&self, limits: &Limits) {
        self.crowd.lock().most = Most::new(limits);
    }

    /// Lets a connection in, or says why not.
    pub(crate) fn admit(
        self: &Arc<Self>,
        client: IpAddr,
        now: Millis,
    ) -> Result<Admission, Refused> {
        let client = client.to_canonical();
        let mut crowd = self.crowd.lock();
        let is_proxy = crowd.most.proxies.iter().any(|proxy| proxy.contains(client));
        let address = (!is_proxy).then(|| Address::of(client));
        if crowd.connections >= crowd.most.connections {
            return Err(Refused::Connections);
        }
        if let Some(address) = address {
            crowd.come(address, now)?;
        }
        crowd.connections += 1;
        Ok(Admission { door: Arc::clone(self), address, handshaking: true })
    }

    /// Closes a connection that was not let in, with a word where it is cheap.
    pub(crate) fn turn_away(&self, stream: &TcpStream, plain: bool, why: Refused) {
        if plain {
            // A socket to which nothing was written takes so much at once.
            let _ = SockRef::from(stream).send(&why.answer());
        }
        socket::shut_down(stream, Shutdown::Write);
    }

    /// Counts a connection that did not become a session, and says so, but not more than once in a second.
    pub(crate) fn refused(&self, client: IpAddr, now: Millis, why: Refused) {
        self.refused[why as usize].fetch_add(1, Relaxed);
        if !why.is_limit() {
            debug!(%client, %why, "connection refused");
            return;
        }
        let mut crowd = self.crowd.lock();
        if now < crowd.quiet_until {
            crowd.unsaid += 1;
            return;
        }
        crowd.quiet_until = Millis(now.0 + QUIET);
        let unsaid = std::mem::take(&mut crowd.unsaid);
        drop(crowd);
        warn!(%client, limit = %why, unsaid, "connection refused: a limit is reached");
    }

    /// How many connections were refused, by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.iter().map(|why| (*why, self.refused[*why as usize].load(Relaxed)))
    }

    /// New connections have to wait from here on, until fewer are on their way to become a session.
    pub(crate) fn must_wait(&self) {
        self.waits.fetch_add(1, Relaxed);
    }

    /// How often they had to.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Relaxed)
    }
}

impl Most {
    fn new(limits: &Limits) -> Self {
        let number = |limit| u32::try_from(limit).unwrap_or(u32::MAX);
        Self {
            connections: limits.connections,
            per_address: number(limits.connections_per_address),
            handshakes_per_address: number(limits.handshakes_per_address),
            interval: SECOND / limits.connects_per_address.max(1) as u64,
            proxies: limits.proxies.clone(),
        }
    }
}

impl Crowd {
    /// A connection more from this address, if there may be one.
    fn come(&mut self, address: Address, now: Millis) -> Result<(), Refused> {
        if self.addresses.len() >= self.forget_at.max(MOST_REMEMBERED) {
            self.addresses.retain(|_, known| known.connections > 0);
            self.forget_at = self.addresses.len() * 2;
        }
        self.addresses.entry(address).or_default().come(&self.most, now)
    }
}

impl Known {
    /// A connection more, if there may be one.
    fn come(&mut self, most: &Most, now: Millis) -> Result<(), Refused> {
        let now = now.0 * 1000;
        if self.connections >= most.per_address {
            return Err(Refused::ConnectionsPerAddress);
        }
        if self.handshakes >= most.handshakes_per_address {
            return Err(Refused::HandshakesPerAddress);
        }
        let expected = self.expected.max(now) + most.interval;
        if expected > now + AVERAGE_OVER {
            return Err(Refused::ConnectsPerAddress);
        }
        self.expected = expected;
        self.connections += 1;
        self.handshakes += 1;
        Ok(())
    }
}

impl Address {
    fn of(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        })
    }
}

impl Admission {
    /// The connection has become a session.
    pub(crate) fn opened(&mut self) {
        self.end_handshake(&mut self.door.crowd.lock());
        self.handshaking = false;
    }

    fn end_handshake(&self, crowd: &mut Crowd) {
        if let Some(known) = self.address.and_then(|address| crowd.addresses.get_mut(&address))
            && self.handshaking
        {
            known.handshakes -= 1;
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut crowd = self.door.crowd.lock();
        crowd.connections -= 1;
        self.end_handshake(&mut crowd);
        if let Some(known) = self.address.and_then(|address| crowd.addresses.get_mut(&address)) {
            known.connections -= 1;
        }
    }
}

/// In microseconds.
const SECOND: u64 = 1_000_000;

/// So many seconds' worth of connections may come at once.
const AVERAGE_OVER: u64 = 5 * SECOND;

/// In milliseconds.
const QUIET: u64 = 1000;

/// 4 MiB, and more only for addresses that have connections.
const MOST_REMEMBERED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn door(change: impl FnOnce(&mut Limits)) -> Arc<Door> {
        let mut limits = Limits { proxies: Vec::new(), ..Limits::default() };
        change(&mut limits);
        Arc::new(Door::new(&limits))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_limit_counts_what_is_there() {
        let door = door(|limits| {
            limits.connections = 4;
            limits.connections_per_address = 3;
            limits.handshakes_per_address = 2;
        });
        let come = |address| door.admit(ip(address), Millis(0));
        let mut first = come("10.0.0.1").ok().unwrap();
        let second = come("10.0.0.1").ok().unwrap();
        assert_eq!(come("10.0.0.1").err(), Some(Refused::HandshakesPerAddress));
        first.opened();
        let third = come("10.0.0.1").ok().unwrap();
        assert_eq!(come("10.0.0.1").err(), Some(Refused::ConnectionsPerAddress));
        let other = come("10.0.0.2").ok().unwrap();
        assert_eq!(come("10.0.0.3").err(), Some(Refused::Connections));
        drop((first, second, third, other));
        assert_eq!(door.crowd.lock().connections, 0);
        assert!(come("10.0.0.1").is_ok());
    }

    #[test]
    fn new_connections_are_counted_over_five_seconds() {
        let door = door(|limits| limits.connects_per_address = 2);
        let come = |now| door.admit(ip("10.0.0.1"), Millis(now)).map(drop);
        for _ in 0..10 {
            assert_eq!(come(0), Ok(()));
        }
        assert_eq!(come(0), Err(Refused::ConnectsPerAddress));
        assert_eq!(come(499), Err(Refused::ConnectsPerAddress));
        assert_eq!(come(500), Ok(()));
        assert_eq!(come(500), Err(Refused::ConnectsPerAddress));
        assert_eq!(door.admit(ip("10.0.0.2"), Millis(0)).map(drop), Ok(()));
    }

    #[test]
    fn addresses_are_told_apart_by_what_one_subscriber_has() {
        let door = door(|limits| limits.connections_per_address = 1);
        for (one, same, other) in [
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
            ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
        ] {
            let come = |address| door.admit(ip(address), Millis(0));
            let _one = come(one).ok().unwrap();
            assert_eq!(come(same).err(), Some(Refused::ConnectionsPerAddress), "{same}");
            assert!(come(other).is_ok(), "{other}");
        }
    }

    #[test]
    fn proxies_bring_as_many_as_they_like() {
        let door = door(|limits| {
            limits.connections_per_address = 1;
            limits.connections = 3;
            limits.proxies = vec!["10.0.0.0/8".parse().unwrap()];
        });
        let come = || door.admit(ip("10.1.2.3"), Millis(0));
        let _three = [come().ok().unwrap(), come().ok().unwrap(), come().ok().unwrap()];
        assert_eq!(come().err(), Some(Refused::Connections));
    }

    #[test]
    fn other_limits_hold_for_whoever_comes_next() {
        let door = door(|limits| limits.connections = 1);
        let first = door.admit(ip("10.0.0.1"), Millis(0)).ok().unwrap();
        let change = |connections, proxies: &[&str]| {
            let proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
            door.reconfigure(&Limits {
                connections,
                connections_per_address: 1,
                proxies,
                ..Limits::default()
            });
        };
        change(2, &[]);
        assert_eq!(
            door.admit(ip("10.0.0.1"), Millis(0)).err(),
            Some(Refused::ConnectionsPerAddress)
        );
        change(2, &["10.0.0.0/8"]);
        let second = door.admit(ip("10.0.0.1"), Millis(0)).ok().unwrap();
        change(1, &[]);
        drop((first, second));
        assert!(door.admit(ip("10.0.0.1"), Millis(0)).is_ok());
    }

    #[test]
    fn what_is_remembered_of_the_gone_is_bounded_and_of_the_present_kept() {
        let door = door(|limits| limits.connections_per_address = 1);
        let _present = door.admit(ip("9.9.9.9"), Millis(0)).ok().unwrap();
        for number in 0..=MOST_REMEMBERED as u32 {
            assert!(door.admit(IpAddr::from(number.to_be_bytes()), Millis(0)).is_ok());
        }
        assert!(door.crowd.lock().addresses.len() <= MOST_REMEMBERED);
        let again = door.admit(ip("9.9.9.9"), Millis(0)).err();
        assert_eq!(again, Some(Refused::ConnectionsPerAddress));
    }

    #[test]
    fn every_reason_has_a_count_of_its_own() {
        let door = door(|_| {});
        for (times, why) in Refused::ALL.iter().enumerate() {
            (0..times).for_each(|_| door.refused(ip("10.0.0.1"), Millis(0), *why));
        }
        let counts: Vec<u64> = door.refusals().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
