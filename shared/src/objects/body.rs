//! Chunks as the body of a request, whose length is known.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Body, Frame, SizeHint};

use super::Chunks;
use crate::error::Error;

/// A body of so many bytes. The lock is never waited for: it makes a stream shareable that is not, as clients want bodies to be.
pub(super) struct Sized {
    chunks: Mutex<Chunks>,
    size: u64,
    passed: Arc<AtomicU64>,
}

impl Sized {
    pub(super) fn new(chunks: Chunks, size: u64) -> Self {
        let chunks = Mutex::new(chunks);
        let passed = Arc::default();
        Self { chunks, size, passed }
    }

    /// How many bytes have passed by now.
    pub(super) fn passed(&self) -> Arc<AtomicU64> {
        self.passed.clone()
    }
}

impl Body for Sized {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let chunks = this.chunks.get_mut().unwrap_or_else(PoisonError::into_inner);
        let next = chunks.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            this.passed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        next.map(|next| next.map(|chunk| chunk.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size)
    }
}
