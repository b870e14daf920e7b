//! Starts and ends the servers that are measured. Each is a process of its own on a free port of this host.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use clap::Args;

use crate::target::Peer;
use crate::target::Target;

/// Where the programs are, and what is written by the way.
#[derive(Debug, Clone, Args)]
pub(crate) struct Programs {
    /// The server
    #[arg(long, default_value = "target/release/antiphon")]
    antiphon: PathBuf,
    /// The NATS server
    #[arg(long, default_value = "nats-server")]
    nats: PathBuf,
    /// Where logs and raw results go
    #[arg(long, default_value = "target/bench")]
    pub(crate) folder: PathBuf,
}

/// A server, which ends when this is dropped.
pub(crate) struct Running {
    process: Child,
    pub(crate) target: Target,
}

impl Programs {
    /// Starts one and waits until it listens.
    pub(crate) fn start(&self, peer: Peer) -> io::Result<Running> {
        let address = free_address()?;
        let (program, arguments) = self.command(peer, address)?;
        std::fs::create_dir_all(&self.folder)?;
        let log = File::create(self.folder.join(format!("{}.log", peer.name())))?;
        let mut command = Command::new(&program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", program.display()))
        })?;
        let target = Target { peer, address, pid: Some(process.id()) };
        let mut running = Running { process, target };
        running.wait_until_it_listens()?;
        Ok(running)
    }

    /// The server as it comes: everything is on that is on by default. Development mode brings the principals.
    fn command(&self, peer: Peer, address: SocketAddr) -> io::Result<(PathBuf, Vec<OsString>)> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let address = address.to_string();
        let (program, arguments) = match peer {
            Peer::Antiphon => {
                let operations = free_address()?.to_string();
                let arguments =
                    ["serve", "--dev", "--listen", &address, "--operations", &operations];
                (self.antiphon.clone(), arguments.map(OsString::from).to_vec())
            }
            Peer::Ws => {
                (std::env::current_exe()?, ["relay", &address].map(OsString::from).to_vec())
            }
            Peer::Nats => {
                (self.nats.clone(), ["-a", &host, "-p", &port].map(OsString::from).to_vec())
            }
        };
        Ok((program, arguments))
    }
}

impl Running {
    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.target.address).is_err() {
            let name = self.target.peer.name();
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!("{name} ended: {status}; see its log")));
            }
            if Instant::now() > patience {
                return Err(io::Error::other(format!("{name} does not listen; see its log")));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing of it is needed any more, and a clean end would take its time.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address that nobody listens at, right now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
