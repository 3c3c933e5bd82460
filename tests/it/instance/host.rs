//! A host of its own, as a network namespace at the other end of a virtual cable. It can be cut off while everything on
//! it runs on. Needs root and `ip` (iproute2).
//!
//! Addresses are of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544) and routed nowhere.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::Place;

/// First address of the block.
const BLOCK: u32 = u32::from_be_bytes([198, 18, 0, 0]);

/// Networks of four addresses in the block.
const NETWORKS: u32 = 1 << 15;

/// A host that goes, with its cable, when this is dropped. Whatever runs on it must have ended before.
pub struct Host {
    namespace: String,
    /// This side's end of the cable.
    cable: String,
    pub address: Ipv4Addr,
}

impl Host {
    /// Sets one up; it can be reached when the call returns.
    ///
    /// # Errors
    /// A sentence when this machine or user may not.
    pub fn start() -> Result<Host, String> {
        static TURN: AtomicU32 = AtomicU32::new(0);
        let (pid, turn) = (std::process::id(), TURN.fetch_add(1, Ordering::Relaxed));
        // Test processes that run side by side begin far from each other.
        let network = BLOCK + 4 * (pid.wrapping_mul(61).wrapping_add(turn) % NETWORKS);
        let (near, address) = (Ipv4Addr::from(network + 1), Ipv4Addr::from(network + 2));
        let (namespace, cable) = (format!("muster-{pid}-{turn}"), format!("mu{pid}x{turn}"));
        ip(&["netns", "add", &namespace])?;
        // From here on dropping it cleans up, whichever of the steps fails.
        let host = Host { namespace, cable, address };
        let (name, cable) = (host.namespace.as_str(), host.cable.as_str());
        ip(&["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["address", "add", &format!("{near}/30"), "dev", cable])?;
        ip(&["link", "set", cable, "up"])?;
        ip(&["-n", name, "address", "add", &format!("{address}/30"), "dev", "eth0"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        Ok(host)
    }

    /// Where instances on it run.
    pub fn place(&self) -> Place {
        Place { ip: self.address.into(), namespace: Some(self.namespace.clone()), certificates: None }
    }

    /// Takes its link down, at its own end: it vanishes without a word. The moment just before.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn vanish(&self) -> Instant {
        let at = Instant::now();
        ip(&["-n", &self.namespace, "link", "set", "eth0", "down"]).expect("the link goes down");
        at
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The cable is not there when its making failed, or when the namespace took it along.
        let _ = ip(&["netns", "delete", &self.namespace]);
        let _ = ip(&["link", "delete", &self.cable]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("no `ip`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("`ip {}`: {said}", arguments.join(" ")))
}
