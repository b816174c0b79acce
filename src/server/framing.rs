//! The caller's messages as they arrive, with the rules of gRPC's framing: tonic calls a broken frame `INTERNAL`, but
//! it is the caller's error, and a message too large is refused by its length, before it is read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use crate::service::Error;
use crate::service::call::Call;

/// Bytes before each message: one flag, four of length.
const HEAD: usize = 5;

/// A request's body whose frames are checked as they pass.
pub(super) struct Framed<B> {
    body: B,
    frames: Frames,
    /// A draining connection cuts messages short, which is not the caller's fault then.
    call: Call,
}

/// What messages may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of a message.
    pub(super) limit: usize,
    /// Bytes up to which a message is not counted one by one.
    pub(super) small: usize,
    /// Whether more than one message may come.
    pub(super) takes_stream: bool,
}

impl<B> Framed<B> {
    /// `body`, held to `bounds`.
    pub(super) fn new(body: B, bounds: Bounds, call: &Call) -> Self {
        let frames = Frames { bounds, seen: 0, place: Place::Head { have: 0, length: 0 } };
        Self { body, frames, call: call.clone() }
    }

    /// Checks what passes; a large message needs room before it is read.
    fn pass(&mut self, data: &[u8]) -> Result<(), Error> {
        let large = self.frames.pass(data)?;
        match &self.call.held {
            Some(held) if large > 0 => held.charge_bytes(large),
            Some(_) | None => Ok(()),
        }
    }

    fn end(&self) -> Result<(), Error> {
        self.frames
            .end()
            .map_err(|error| if self.call.closing.is_cancelled() { Error::ShuttingDown } else { error })
    }
}

impl<B: Body<Data = Bytes, Error = Status> + Unpin> Body for Framed<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let checked = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => match frame.data_ref().map(|data| self.pass(data)) {
                None | Some(Ok(())) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => Err(error),
            },
            Some(Err(status)) if self.frames.bounds.takes_stream => return Poll::Ready(Some(Err(status))),
            // The caller went away; tonic would call what it left behind a fault of ours.
            Some(Err(_)) => Err(Error::Malformed("its end did not arrive")),
            None => self.end(),
        };
        Poll::Ready(match checked {
            Ok(()) => None,
            Err(error) => Some(Err(error.to_status(&self.call.request_id))),
        })
    }

    fn is_end_stream(&self) -> bool {
        // An end that breaks the rules must still be polled to be heard.
        self.body.is_end_stream() && self.frames.end().is_ok()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug)]
struct Frames {
    bounds: Bounds,
    seen: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the bytes before a message.
    Head { have: usize, length: usize },
    /// In a message of which so many bytes are missing.
    Message { missing: usize },
}

impl Frames {
    /// Notes what passes; answers how many bytes of large messages begin in it.
    fn pass(&mut self, mut data: &[u8]) -> Result<usize, Error> {
        let mut large = 0usize;
        while let Some((&byte, rest)) = data.split_first() {
            match self.place {
                Place::Head { have: 0, .. } => {
                    self.seen += 1;
                    if self.seen > 1 && !self.bounds.takes_stream {
                        return Err(Error::Malformed("there is more than one where one is expected"));
                    }
                    if byte != 0 {
                        return Err(Error::Malformed("it is compressed, or no gRPC message"));
                    }
                    self.place = Place::Head { have: 1, length: 0 };
                    data = rest;
                }
                Place::Head { have, length } => {
                    let length = (length << 8) | usize::from(byte);
                    self.place = if have + 1 < HEAD {
                        Place::Head { have: have + 1, length }
                    } else if length > self.bounds.limit {
                        return Err(Error::MessageTooLarge { limit: self.bounds.limit });
                    } else if length == 0 {
                        Place::Head { have: 0, length: 0 }
                    } else {
                        large = large.saturating_add(if length > self.bounds.small { length } else { 0 });
                        Place::Message { missing: length }
                    };
                    data = rest;
                }
                Place::Message { missing } => {
                    let here = missing.min(data.len());
                    self.place = if here == missing {
                        Place::Head { have: 0, length: 0 }
                    } else {
                        Place::Message { missing: missing - here }
                    };
                    data = data.split_at_checked(here).map_or(&[], |(_, rest)| rest);
                }
            }
        }
        Ok(large)
    }

    /// Whether the messages may end here.
    fn end(&self) -> Result<(), Error> {
        match self.place {
            Place::Head { have: 0, .. } if self.seen > 0 || self.bounds.takes_stream => Ok(()),
            Place::Head { have: 0, .. } => Err(Error::Malformed("there is none")),
            Place::Head { .. } | Place::Message { .. } => Err(Error::Malformed("it is cut short")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::service::call::InFlight;

    const fn bounds(takes_stream: bool) -> Bounds {
        Bounds { limit: 300, small: 100, takes_stream }
    }

    fn frames(takes_stream: bool) -> Frames {
        Frames { bounds: bounds(takes_stream), seen: 0, place: Place::Head { have: 0, length: 0 } }
    }

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.extend(vec![7; length]);
        bytes
    }

    /// The outcome however the bytes are cut into pieces.
    fn outcome(takes_stream: bool, bytes: &[u8]) -> Result<(), String> {
        let outcomes: Vec<_> = [1, 2, 5, 7, 1_000]
            .into_iter()
            .map(|size| {
                let mut frames = frames(takes_stream);
                bytes
                    .chunks(size)
                    .try_for_each(|chunk| frames.pass(chunk).map(drop))
                    .and_then(|()| frames.end())
                    .map_err(|error| error.to_string())
            })
            .collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
        outcomes[0].clone()
    }

    #[test]
    fn one_message_of_any_size_within_the_limit_passes() {
        for length in [0, 1, 299, 300] {
            assert_eq!(outcome(false, &message(length)), Ok(()), "{length}");
        }
    }

    #[test]
    fn a_message_above_the_limit_is_refused_by_its_head_alone() {
        let bytes = message(301);
        assert!(outcome(false, &bytes[..HEAD]).unwrap_err().contains("larger than 300"));
        assert!(outcome(true, &bytes).unwrap_err().contains("larger than 300"));
    }

    #[test]
    fn only_large_messages_are_counted_and_by_their_heads() {
        let mut frames = frames(true);
        assert_eq!(frames.pass(&message(100)).unwrap(), 0);
        assert_eq!(frames.pass(&message(101)[..HEAD]).unwrap(), 101);
        assert_eq!(frames.pass(&message(101)[HEAD..]).unwrap(), 0);
    }

    #[test]
    fn none_or_two_are_refused_where_one_is_expected() {
        assert!(outcome(false, &[]).unwrap_err().contains("none"));
        let two = [message(3), message(4)].concat();
        assert!(outcome(false, &two).unwrap_err().contains("more than one"));
        assert_eq!(outcome(true, &[]), Ok(()));
        assert_eq!(outcome(true, &two), Ok(()));
    }

    #[test]
    fn a_message_cut_short_is_refused() {
        let bytes = message(9);
        for end in 1..bytes.len() {
            assert!(outcome(true, &bytes[..end]).unwrap_err().contains("cut short"), "{end}");
        }
    }

    async fn refused(body: &'static [u8], closing: CancellationToken) -> tonic::Code {
        use http_body_util::BodyExt;
        let body = tonic::body::Body::new(http_body_util::Full::new(Bytes::from_static(body)));
        let call = Call {
            request_id: "req".into(),
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            deadline: None,
            is_retry: false,
            in_flight: InFlight::new(1),
            held: None,
            closing,
        };
        let framed = Framed::new(body, bounds(false), &call);
        framed.collect().await.unwrap_err().code()
    }

    #[tokio::test]
    async fn what_a_draining_connection_cuts_short_is_not_the_callers_fault() {
        let closing = CancellationToken::new();
        assert_eq!(refused(&[0, 0], closing.clone()).await, tonic::Code::InvalidArgument);
        assert_eq!(refused(&[], closing.clone()).await, tonic::Code::InvalidArgument);
        closing.cancel();
        assert_eq!(refused(&[0, 0], closing).await, tonic::Code::Unavailable);
    }

    #[test]
    fn a_flag_that_is_not_zero_is_refused() {
        assert!(outcome(true, &[1, 0, 0, 0, 0]).unwrap_err().contains("compressed"));
        assert!(outcome(true, b"{\"action\"").unwrap_err().contains("no gRPC message"));
    }
}
