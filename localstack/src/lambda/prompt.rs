//! Acknowledging at once what a function sends.
//!
//! `lambda_runtime` 1.5 leaves Nagle's algorithm on for its connection to the Runtime API and writes a streamed answer in
//! small pieces. A piece that follows an unacknowledged one waits for the acknowledgement, and Linux delays that by 40 ms on
//! a connection with nothing to send back: measured, 43 ms for a warm call instead of one. The option is not to be reached
//! from outside that crate, so this end acknowledges at once. What Lambda's own Runtime API does is not known.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection on which nothing waits for an acknowledgement.
#[derive(Debug)]
pub(super) struct Prompt(pub(super) TcpStream);

impl Prompt {
    /// The kernel goes back to delaying by itself, so it is asked anew each time.
    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        // Where it is refused, streaming is slower and nothing else.
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge_at_once(&self) {}
}

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        self.acknowledge_at_once();
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        // An answer sent puts the connection back into the mode that delays.
        self.acknowledge_at_once();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
