//! What a seed switches on: who takes part, what they do, what breaks, and how tight the bounds are.
//!
//! Each seed switches off some of what its profile allows, so that no fault hides behind another one.

use std::time::Duration;

use antiphon_broker::BrokerConfig;
use antiphon_broker::Choice;
use antiphon_broker::Limits;
use antiphon_broker::Liveness;
use antiphon_broker::PathRule;
use antiphon_broker::Recovery;

use crate::network::Micros;
use crate::random::Random;

/// What a run is mostly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing breaks, so everything must be prompt.
    Calm,
    /// Connections are cut anywhere.
    Cuts,
    /// Clients read slowly, or not for a while.
    Slow,
    /// Sessions end and others begin.
    Churn,
    /// The bounds are so tight that they are met.
    Overload,
    /// Clients, or the server, stand still for a while, as a process that is stopped.
    Silence,
    /// The server drains, or shuts down, in the middle.
    Drain,
}

/// How a client counts and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// 6.12.1: repeats what was lost, but wrongly when it is more than one message.
    JavaScript,
    /// 6.12.2: comes back, repeats nothing, and cannot begin anew.
    Python,
    /// 6.6rc1: does not come back, and does not notice that a connection is lost.
    OldPython,
    /// Repeats what was lost.
    Rust,
}

impl Family {
    /// Whether it sends again what was lost.
    pub(crate) fn repeats(self) -> bool {
        matches!(self, Self::JavaScript | Self::Rust)
    }

    pub(crate) fn is_python(self) -> bool {
        matches!(self, Self::Python | Self::OldPython)
    }
}

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    ToPath,
    ToSession,
    ToFilter,
    Register,
    /// Registers and, in the same write, asks itself.
    RegisterAndAsk,
    Deregister,
    Lock,
    Release,
    CancelLock,
    Listen,
    Ping,
    /// Answers what it was not asked.
    Forge,
    /// Says goodbye.
    Leave,
    /// Ends the session of another.
    Kick,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Value,
    Error,
    Malformed,
    Twice,
    Late,
    Never,
}

#[derive(Debug)]
pub(crate) struct Plan {
    /// Their family, and whether they want to come back.
    pub(crate) clients: Vec<(Family, bool)>,
    pub(crate) actions: u64,
    /// In microseconds: how long something is done and broken.
    pub(crate) active: u64,
    pub(crate) talks: Vec<Talk>,
    pub(crate) answers: Vec<How>,
    pub(crate) cuts: u64,
    /// The server does not notice some losses by itself.
    pub(crate) silent_cuts: bool,
    pub(crate) slow: bool,
    /// Some bound may be met.
    pub(crate) tight: bool,
    pub(crate) shut_down: bool,
    /// The server drains: so many sessions leave in one step, and that is cut off after so long, or never.
    pub(crate) drain: Option<(usize, Option<Micros>)>,
    /// How often a client stands still.
    pub(crate) stops: u64,
    /// How often the server does.
    pub(crate) standstills: u64,
    /// So little is kept of what was sent that some of it is lost.
    pub(crate) forgets: bool,
    /// Bytes of the longest value.
    pub(crate) longest: u64,
    pub(crate) config: BrokerConfig,
}

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        use Profile::*;
        let profile = *random.pick(&[
            Calm, Cuts, Cuts, Cuts, Slow, Churn, Churn, Overload, Silence, Silence, Drain, Drain,
        ]);
        let families = [Family::JavaScript, Family::Python, Family::OldPython, Family::Rust];
        let client = |random: &mut Random| {
            let family = *random.pick(&families);
            (family, family != Family::OldPython && random.chance(85))
        };
        let clients = (0..random.between(2..7)).map(|_| client(random)).collect();
        let slow = profile == Slow || (profile == Overload && random.chance(50));
        let tight = matches!(profile, Overload) || (slow && random.chance(60));
        let cuts = match profile {
            Cuts => random.between(1..9),
            Calm => 0,
            _ if random.chance(30) => random.between(1..4),
            _ => 0,
        };
        let forgets = cuts > 0 && random.chance(25);
        let (stops, standstills) = silences(profile, random);
        let drain = (profile == Drain && random.chance(75)).then(|| {
            let timeout = random.chance(30).then(|| random.between(0..1_500_000));
            (random.between(1..5) as usize, timeout)
        });
        Self {
            clients,
            actions: random.between(10..70),
            active: random.between(200..6_000) * 1_000,
            talks: talks(profile, random),
            answers: answers(random),
            cuts,
            silent_cuts: cuts > 0 && random.chance(40),
            slow,
            tight,
            shut_down: profile == Drain && drain.is_none(),
            drain,
            stops,
            standstills,
            longest: if slow { 200 } else { 8 },
            forgets,
            config: config((tight, forgets), random),
        }
    }

    /// Whether a session may lose messages: they are not kept, or grant a lock of a connection that is no more.
    pub(crate) fn loses(&self) -> bool {
        self.forgets || self.talks.contains(&Talk::Lock)
    }

    /// Whether whatever is sent arrives soon.
    pub(crate) fn is_prompt(&self) -> bool {
        self.cuts == 0 && !self.slow && self.stops == 0 && self.standstills == 0
    }
}

fn talks(profile: Profile, random: &mut Random) -> Vec<Talk> {
    use Talk::*;
    let mut talks = vec![ToPath, ToPath, Register];
    let optional = [
        ToPath,
        ToPath,
        ToSession,
        ToSession,
        ToFilter,
        ToFilter,
        RegisterAndAsk,
        Deregister,
        Lock,
        Lock,
        Release,
        CancelLock,
        Listen,
        Ping,
        Forge,
    ];
    talks.extend(optional.into_iter().filter(|_| random.chance(65)));
    match profile {
        Profile::Churn => talks.extend([Leave, Kick]),
        _ if random.chance(15) => talks.push(*random.pick(&[Leave, Kick])),
        _ => {}
    }
    talks
}

/// How often clients and the server stand still.
fn silences(profile: Profile, random: &mut Random) -> (u64, u64) {
    match profile {
        Profile::Calm => (0, 0),
        Profile::Silence => (random.between(1..6), random.below(3)),
        _ if random.chance(10) => (random.below(3), random.below(2)),
        _ => (0, 0),
    }
}

fn answers(random: &mut Random) -> Vec<How> {
    use How::*;
    let mut answers = vec![Value, Value, Value];
    let optional = [Error, Malformed, Twice, Late, Never];
    answers.extend(optional.into_iter().filter(|_| random.chance(50)));
    answers
}

fn config((tight, forgets): (bool, bool), random: &mut Random) -> BrokerConfig {
    let limits = Limits {
        mailbox: if tight { random.between(200..1_500) as usize } else { 1 << 20 },
        requests_per_handler: if tight { random.between(1..8) as u32 } else { 1_000 },
        requests_per_sender: if tight { random.between(1..12) as u32 } else { 1_000 },
        ..Limits::default()
    };
    let recovery = Recovery {
        keep_for: Duration::from_millis(*random.pick(&[0, 400, 2_000, 60_000, 60_000, 60_000])),
        messages: if forgets { random.between(1..12) as usize } else { 10_000 },
        bytes: if forgets { random.between(100..1_000) as usize } else { 1 << 20 },
    };
    let choices = [Choice::LeastInFlight, Choice::RoundRobin, Choice::Sticky];
    BrokerConfig {
        ping_period: Duration::from_millis(*random.pick(&[0, 700, 1_500])),
        request_timeout: TIMEOUT,
        paths: vec![PathRule {
            path: "a/b".to_owned(),
            timeout: Some(SHORT_TIMEOUT),
            choice: None,
        }],
        choice: *random.pick(&choices),
        recovery,
        liveness: Liveness {
            missed_pings: random.between(2..4) as u32,
            handler_timeout: Duration::from_millis(*random.pick(&[0, 300, 900])),
        },
        notes: true,
        limits,
        ..BrokerConfig::default()
    }
}

pub(crate) const TIMEOUT: Duration = Duration::from_millis(1_500);
/// Of requests to `a/b` and below.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(400);
