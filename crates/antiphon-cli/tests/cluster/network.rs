//! A network of one test's own: hosts, each a network namespace with a cable to a switch, which can be pulled, and another one to
//! the test itself, over which clients and operators reach it whatever happens.
//!
//! ```text
//! test 10.1.N.1 ---- 10.1.N.2 host N 10.0.0.N ---- switch ---- other hosts
//! ```
//!
//! Only root may change a network, so such a test is run again by `unshare`, as root of namespaces that are its own. Where the
//! system does not allow it, or lacks the programs, the test says so on standard error and passes.

use std::env;
use std::io;
use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use crate::nodes::Place;
use crate::process::unaware;

/// What a test finds in its environment when it may change the network.
const INSIDE: &str = "ANTIPHON_TEST_INSIDE";

/// Whether this is where the test may change the network. If not, it has been run there, or cannot be.
pub(crate) fn enter(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Err(problem) = try_it() {
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(io::stderr(), "cluster: {test} skipped: no networks here: {problem}");
        return false;
    }
    let mut command = unaware("unshare");
    command.args(["--user", "--map-root-user", "--net"]).arg(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
    let output = command.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success() && said[0].contains("1 passed"), "{}", said.concat());
    false
}

/// Makes one of everything that is needed.
fn try_it() -> Result<(), String> {
    let script = "ip link add switch type bridge && ip link add one type veth peer name other \
        && ip link set one master switch && bridge link set dev one isolated on \
        && unshare --net nsenter --target $$ --net true";
    let mut command = unaware("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", script]);
    let output = command.output().map_err(|error| format!("unshare: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Hosts that reach each other and the test, but for what has been cut.
pub(crate) struct Network {
    hosts: Vec<Host>,
}

impl Network {
    /// So many hosts, from 0.
    pub(crate) fn of(count: usize) -> Self {
        run("ip link set lo up && ip link add switch type bridge && ip link set switch up");
        Self { hosts: (1..=count).map(Host::new).collect() }
    }

    /// Where a node on that host runs.
    pub(crate) fn place(&self, host: usize) -> Place {
        let Host { keeper, number } = &self.hosts[host];
        Place {
            first: format!(
                "set -- nsenter --target {} --net \"$@\" --allow-remote-dev",
                keeper.id()
            ),
            clients: format!("10.1.{number}.2:0"),
            endpoint: format!("10.0.0.{number}:7447"),
            _address: None,
        }
    }

    /// Pulls the cable between a host and the switch.
    pub(crate) fn cut(&self, host: usize) {
        run(&format!("ip link set cable{} down", self.hosts[host].number));
    }

    /// Plugs it in again.
    pub(crate) fn heal(&self, host: usize) {
        run(&format!("ip link set cable{} up", self.hosts[host].number));
    }

    /// These hosts reach all others, but not each other.
    pub(crate) fn part(&self, hosts: &[usize]) {
        self.isolate(hosts, "on");
    }

    /// They do again.
    pub(crate) fn join(&self, hosts: &[usize]) {
        self.isolate(hosts, "off");
    }

    fn isolate(&self, hosts: &[usize], whether: &str) {
        for host in hosts {
            let number = self.hosts[*host].number;
            run(&format!("bridge link set dev cable{number} isolated {whether}"));
        }
    }
}

struct Host {
    /// Whose namespace it is. It ends with its input, so with the test.
    keeper: Child,
    number: usize,
}

impl Host {
    fn new(number: usize) -> Self {
        let mut keeper = Command::new("unshare");
        keeper.args(["--net", "sh", "-c", "echo; exec cat"]);
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It has a namespace of its own when it says something.
        keeper.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let id = keeper.id();
        run(&format!(
            "ip link add cable{number} type veth peer name cable netns {id}
            ip link add client{number} type veth peer name client netns {id}
            ip link set cable{number} master switch up
            ip address add 10.1.{number}.1/24 dev client{number}
            ip link set client{number} up
            nsenter --target {id} --net sh -e -c '
                ip link set lo up
                ip address add 10.0.0.{number}/24 dev cable
                ip link set cable up
                ip address add 10.1.{number}.2/24 dev client
                ip link set client up
            '"
        ));
        Self { keeper, number }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn run(script: &str) {
    let status = Command::new("sh").args(["-e", "-c", script]).status().unwrap();
    assert!(status.success(), "{script}");
}
