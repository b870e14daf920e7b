//! The server under test, on a thread of its own. The only module that knows the server's API.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::Server;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// How long the server may take to start or to stop.
const GUARD: Duration = Duration::from_secs(60);

/// A running development server: stock principals, password "password", anonymous allowed.
pub(crate) struct TestServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    finished: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a server on a free port; `configure` changes what is not as in development.
    pub(crate) fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::dev("127.0.0.1:0".parse().expect("a socket address"));
        configure(&mut config);
        let (announce, announced) = mpsc::channel();
        let (finish, finished) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let _finish = finish;
            let runtime = Runtime::new().expect("a tokio runtime");
            runtime.block_on(serve(config, announce, stopped));
        });
        let address = announced.recv_timeout(GUARD).expect("the server did not start");
        Self { address, stop: Some(stop), finished, thread: Some(thread) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the server to shut down and waits until it has. The second time does nothing.
    pub(crate) fn stop(&mut self) {
        let Some(stop) = self.stop.take() else {
            return;
        };
        stop.send(()).ok();
        let stopped =
            self.finished.recv_timeout(GUARD) == Err(mpsc::RecvTimeoutError::Disconnected);
        assert!(stopped, "the server did not stop within {GUARD:?}");
        let thread = self.thread.take().expect("the thread runs until the server stops");
        assert!(thread.join().is_ok(), "the server's thread panicked");
    }
}

async fn serve(config: Config, announce: mpsc::Sender<SocketAddr>, stopped: oneshot::Receiver<()>) {
    let server = Server::bind(config).expect("the server cannot bind");
    announce.send(server.local_addrs()[0]).expect("the test waits for the address");
    let stop = async {
        stopped.await.ok();
    };
    server.run(stop).await.expect("the server serves to its end");
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        } else if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }
}
