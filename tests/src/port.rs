//! Ports for programs that cannot be told to take any.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel takes for connections (Linux: from 32768), one of which may be any port above at any moment.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody listens on, and that no other test of this process is given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two processes begin at different ones.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or_default();
    let candidates = std::iter::repeat_with(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(begin);
        FIRST + number % COUNT
    });
    candidates
        .take(usize::from(COUNT))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("all ports are taken")
}
