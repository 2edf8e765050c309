//! The first frame of a stream, before anything of the stream has gone to the caller.

use aws_smithy_types::body::SdkBody;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use tokio::time::Instant;

use crate::wire::frames::{Content, FrameReader};

/// Reads a stream until its first frame is whole, and gives what that says, and the stream as it was, to its last byte. Nothing where no
/// frame has come by then, or the stream ends or breaks before: whoever reads the stream will find that.
pub(super) async fn first_frame(mut body: SdkBody, until: Instant) -> (Option<Content>, SdkBody) {
    let (mut reader, mut read) = (FrameReader::default(), Vec::new());
    let looking = async {
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => return Some(frame.content),
                Ok(None) => {}
                Err(_) => return None,
            }
            let part = body.frame().await?;
            if let Some(bytes) = part.as_ref().ok().and_then(http_body::Frame::data_ref) {
                reader.push(bytes);
            }
            let is_over = part.is_err();
            read.push(part);
            if is_over {
                return None;
            }
        }
    };
    let first = tokio::time::timeout_at(until, looking).await.unwrap_or_default();
    let whole = stream::iter(read).chain(BodyStream::new(body));
    (first, SdkBody::from_body_1_x(StreamBody::new(whole)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::wire::frames::exception;

    type Part = Result<http_body::Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>;

    fn body(parts: Vec<Part>, goes_on: bool) -> SdkBody {
        let parts = stream::iter(parts);
        if goes_on {
            SdkBody::from_body_1_x(StreamBody::new(parts.chain(stream::pending())))
        } else {
            SdkBody::from_body_1_x(StreamBody::new(parts))
        }
    }

    fn bytes(data: &[u8]) -> Part {
        Ok(http_body::Frame::data(Bytes::copy_from_slice(data)))
    }

    async fn rest(mut body: SdkBody) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        while let Some(part) = body.frame().await {
            match part {
                Ok(part) => all.extend_from_slice(&part.into_data().unwrap()),
                Err(_) => return (all, false),
            }
        }
        (all, true)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn the_first_frame_is_read_wherever_it_is_cut_and_no_byte_is_lost() {
        let frame = exception("throttlingException", "slow down");
        let all = [&frame[..], b"and what is no frame"].concat();
        for cut in 1..all.len() {
            let parts = vec![bytes(&all[..cut]), bytes(&all[cut..])];
            let (first, body) = first_frame(body(parts, false), soon()).await;
            assert!(matches!(first, Some(Content::Exception { kind, .. }) if kind == "throttlingException"));
            assert_eq!(rest(body).await, (all.clone(), true), "{cut}");
        }
    }

    #[tokio::test]
    async fn what_breaks_or_ends_before_its_first_frame_does_so_for_its_reader_too() {
        let frame = exception("throttlingException", "slow down");
        let broken = vec![bytes(&frame[..9]), Err("cut".into())];
        let (first, left) = first_frame(body(broken, false), soon()).await;
        assert_eq!((first, rest(left).await), (None, (frame[..9].to_vec(), false)));
        let (first, left) = first_frame(body(vec![bytes(&frame[..9])], false), soon()).await;
        assert_eq!((first, rest(left).await), (None, (frame[..9].to_vec(), true)));
        let (first, left) = first_frame(body(vec![bytes(b"no frame at all, by its length")], false), soon()).await;
        assert_eq!((first, rest(left).await.1), (None, true));
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_was_said_and_what_came_until_then_is_kept() {
        let frame = exception("throttlingException", "slow down");
        let (first, mut left) = first_frame(body(vec![bytes(&frame[..9])], true), Instant::now()).await;
        assert_eq!(first, None);
        assert_eq!(left.frame().await.unwrap().unwrap().into_data().unwrap(), frame[..9]);
    }
}
