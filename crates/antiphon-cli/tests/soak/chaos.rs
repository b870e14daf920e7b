//! The faults: which connection or process suffers what, and when.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::network::Mode;
use crate::network::Network;
use crate::options::Options;
use crate::random::Random;
use crate::workers::Workers;

/// Makes faults until it is stopped.
pub(crate) struct Chaos {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Chaos {
    pub(crate) fn start(options: &Options, network: Network, workers: Workers) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let mut random = Random::new(options.seed, u64::MAX);
        let pause = options.fault_every;
        let task = tokio::spawn(async move {
            loop {
                let wait = pause.mul_f64(random.below(2000) as f64 / 1000.0);
                tokio::select! {
                    () = sleep(wait) => fault(&mut random, &network, &workers),
                    _ = &mut stopped => break,
                }
            }
            network.heal();
            workers.go_on();
        });
        Self { stop, task }
    }

    /// No fault is left when it returns.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

fn fault(random: &mut Random, network: &Network, workers: &Workers) {
    match random.below(10) {
        0..5 => {
            network.change(random, Mode::Cut);
        }
        5 | 6 => for_a_while(network.change(random, Mode::Stalled), random, Mode::Well),
        // As a peer that vanishes: nothing comes any more, and only later the connection is known to be gone.
        7 => for_a_while(network.change(random, Mode::Stalled), random, Mode::Cut),
        8 => for_a_while(network.change(random, Mode::Slow), random, Mode::Well),
        _ => workers.fault(random),
    }
}

fn for_a_while(link: Option<tokio::sync::watch::Sender<Mode>>, random: &mut Random, then: Mode) {
    let time = Duration::from_millis(100 + random.below(4000));
    if let Some(link) = link {
        tokio::spawn(async move {
            sleep(time).await;
            link.send_if_modified(|mode| {
                let goes_on = *mode != Mode::Cut;
                if goes_on {
                    *mode = then;
                }
                goes_on
            });
        });
    }
}
