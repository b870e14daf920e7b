//! The network between this process's sessions and the server: it passes bytes on, until it is told to do worse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::book::lock;
use crate::random::Random;

/// How a connection is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes bytes on at once.
    Well,
    /// A few bytes at a time.
    Slow,
    /// Passes nothing on, and says nothing either.
    Stalled,
    /// Is cut, in the middle of whatever it carried.
    Cut,
}

/// All connections. Clones are the same network.
#[derive(Clone)]
pub(crate) struct Network {
    address: SocketAddr,
    links: Arc<Mutex<Vec<watch::Sender<Mode>>>>,
}

impl Network {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let network = Self { address, links: Arc::default() };
        tokio::spawn(network.clone().accept(listener, server));
        network
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Changes one connection, if there is any.
    pub(crate) fn change(&self, random: &mut Random, mode: Mode) -> Option<watch::Sender<Mode>> {
        let mut links = lock(&self.links);
        links.retain(|link| link.receiver_count() > 0);
        let count = links.len() as u64;
        let link = links.get(random.below(count.max(1)) as usize)?;
        link.send_replace(mode);
        Some(link.clone())
    }

    /// Makes all connections well again, but those that are cut.
    pub(crate) fn heal(&self) {
        for link in lock(&self.links).iter() {
            link.send_if_modified(|mode| {
                let is_ill = matches!(mode, Mode::Slow | Mode::Stalled);
                if is_ill {
                    *mode = Mode::Well;
                }
                is_ill
            });
        }
    }

    async fn accept(self, listener: TcpListener, server: SocketAddr) {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(server).await else { continue };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (mode, modes) = watch::channel(Mode::Well);
            lock(&self.links).push(mode);
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pass_on(from_client, to_server, modes.clone()));
            tokio::spawn(pass_on(from_server, to_client, modes));
        }
    }
}

/// Until one side is gone, or the connection is cut.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Cut => return,
            Mode::Stalled => {
                if modes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Mode::Slow => sleep(SLOWNESS).await,
            Mode::Well => {}
        }
        let most = if mode == Mode::Slow { SLOW_BYTES } else { buffer.len() };
        let read = tokio::select! {
            read = from.read(&mut buffer[..most]) => read,
            _ = modes.changed() => continue,
        };
        let Ok(count @ 1..) = read else { return };
        // A cut while it waits for room must not be missed.
        let written = tokio::select! {
            written = to.write_all(&buffer[..count]) => written,
            () = until_cut(modes.clone()) => return,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn until_cut(mut modes: watch::Receiver<Mode>) {
    if modes.wait_for(|mode| *mode == Mode::Cut).await.is_err() {
        std::future::pending().await
    }
}

const SLOWNESS: Duration = Duration::from_millis(2);
const SLOW_BYTES: usize = 512;
