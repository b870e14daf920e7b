//! Starts and ends the servers that are measured. Each is a process of its own on free ports of this host.

use std::ffi::OsStr;
use std::fs;
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
    pub(crate) antiphon: PathBuf,
    /// The NATS server
    #[arg(long, default_value = "nats-server")]
    pub(crate) nats: PathBuf,
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
    /// Starts one as it comes and waits until it listens.
    pub(crate) fn start(&self, peer: Peer) -> io::Result<Running> {
        let address = free_address()?;
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        match peer {
            Peer::Antiphon => self.serve(address, &["--listen", &address.to_string()]),
            Peer::Ws => {
                let mut command = Command::new(std::env::current_exe()?);
                self.launch(command.arg("relay").arg(address.to_string()), peer, address)
            }
            Peer::Nats => {
                let mut command = Command::new(&self.nats);
                self.launch(command.args(["-a", &host, "-p", &port]), peer, address)
            }
        }
    }

    /// Starts Antiphon with these arguments, which make it listen at `address`. Everything is on that is on by default,
    /// and nothing else; development mode brings the principals.
    pub(crate) fn serve(
        &self,
        address: SocketAddr,
        arguments: &[impl AsRef<OsStr>],
    ) -> io::Result<Running> {
        let mut command = Command::new(&self.antiphon);
        command.args(["serve", "--dev", "--operations", &free_address()?.to_string()]);
        self.launch(command.args(arguments), Peer::Antiphon, address)
    }

    fn launch(
        &self,
        command: &mut Command,
        peer: Peer,
        address: SocketAddr,
    ) -> io::Result<Running> {
        fs::create_dir_all(&self.folder)?;
        let log = File::create(self.folder.join(format!("{}.log", peer.name())))?;
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let process = process.map_err(|error| {
            let program = command.get_program().display();
            io::Error::new(error.kind(), format!("{program}: {error}"))
        })?;
        let target = Target::new(peer, address, Some(process.id()));
        let mut running = Running { process, target };
        running.wait_until_it_listens()?;
        Ok(running)
    }
}

impl Running {
    /// Stops the process where it is, or lets it go on.
    pub(crate) fn hold(&self, hold: bool) -> io::Result<()> {
        let signal = if hold { "STOP" } else { "CONT" };
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{signal} {}", self.process.id()))
            .status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("a server cannot be stopped")) }
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.target.address).is_err() {
            let name = &self.target.name;
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
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
