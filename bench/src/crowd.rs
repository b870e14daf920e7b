//! Sessions that are there and do nothing but answer when they are asked, and handlers that nobody asks.

use std::io;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::link::Link;
use crate::meter::Meter;
use crate::target::Any;
use crate::target::Peer;
use crate::target::Target;
use crate::wire::Antiphon;
use crate::wire::Nats;
use crate::wire::Relay;
use crate::wire::Role;
use crate::wire::Wire;

/// All that is there beside a load. It is gone when this is dropped.
pub(crate) struct Crowd {
    runtime: Option<Runtime>,
    target: Target,
    size: usize,
    meter: Arc<Meter>,
}

/// How many connect at the same time.
const AT_ONCE: usize = 32;
/// What an idle connection reads at once.
const BUFFER: usize = 1 << 10;
/// What a session that registers many handlers reads at once.
const REGISTERING: usize = 16 << 10;

impl Crowd {
    pub(crate) fn new(target: &Target) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (runtime, meter) = (Some(runtime), Arc::default());
        Ok(Self { runtime, target: target.clone(), size: 0, meter })
    }

    /// How many sessions there are.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Opens idle sessions until there are so many.
    pub(crate) fn grow(&mut self, size: usize) -> io::Result<()> {
        match self.target.peer {
            Peer::Antiphon => self.open::<Antiphon>(size),
            Peer::Ws => self.open::<Relay>(size),
            Peer::Nats => self.open::<Nats>(size),
        }
    }

    /// Adds sessions that register this many handlers each.
    pub(crate) fn register(&mut self, sessions: usize, each: usize) -> io::Result<()> {
        for session in 0..sessions {
            let paths: Vec<_> = (0..each).map(|path| format!("crowd/{session}/{path}")).collect();
            let (index, meter) = (self.size + session, Arc::clone(&self.meter));
            self.wait(async {
                let mut link = self.target.connect(index, REGISTERING).await?;
                let mut wire = Antiphon::log_in(&mut link, Antiphon::REGISTRAR, index).await?;
                wire.register(&mut link, &paths).await?;
                tokio::spawn(attend(wire, link, meter));
                Ok(())
            })?;
        }
        self.size += sessions;
        Ok(())
    }

    /// Whether all are still there: the first thing that went wrong otherwise.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.meter.failures() {
            (0, _) => Ok(()),
            (count, first) => {
                let first = first.unwrap_or_default();
                Err(io::Error::other(format!("{count} idle connections ended: {first}")))
            }
        }
    }

    fn open<W: Wire>(&mut self, size: usize) -> io::Result<()> {
        let range = self.size..size;
        self.wait(async {
            let mut openers = JoinSet::new();
            for first in range.clone().take(AT_ONCE) {
                let (target, meter) = (self.target.clone(), Arc::clone(&self.meter));
                let mine = (first..range.end).step_by(AT_ONCE);
                openers.spawn(async move {
                    for index in mine {
                        let mut link = target.connect(index, BUFFER).await?;
                        let wire = W::open(&mut link, Role::Idle, index).await?;
                        tokio::spawn(attend(wire, link, Arc::clone(&meter)));
                    }
                    io::Result::Ok(())
                });
            }
            while let Some(opener) = openers.join_next().await {
                opener??;
            }
            Ok(())
        })?;
        self.size = size;
        Ok(())
    }

    fn wait<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.runtime.as_ref().map_or_else(
            || Err(io::ErrorKind::NotConnected.into()),
            |runtime| runtime.block_on(work),
        )
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.meter.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Answers pings and requests.
async fn attend<W: Wire>(mut wire: W, mut link: Link<Any>, meter: Arc<Meter>) {
    let mut out = Vec::new();
    let ended: io::Result<()> = async {
        loop {
            link.read().await?;
            let used = wire.take(link.unused(), &mut out, &mut Vec::new())?;
            link.used(used);
            if !out.is_empty() {
                link.write(&out).await?;
                out = Vec::new();
            }
        }
    }
    .await;
    if let Err(error) = ended {
        meter.fail(|| error.to_string());
    }
}
