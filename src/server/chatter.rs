//! What an HTTP/2 peer sends beside its calls: pings, settings, priorities, empty and unknown frames. Each makes the
//! server work, most make it answer, and none is bounded by the protocol; honest peers send few of them a call.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::{CHATTER_A_SECOND, CHATTER_EARNED, MAX_CHATTER};
use crate::clock::{Clock, Instant};

/// Bytes before the payload of a frame: three of length, type, flags, four of stream.
const HEAD: usize = 9;

/// Bytes that a client says before its first frame.
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// Bytes sent that make up for one frame: a peer grants more room as it receives. An answer to a ping has 17.
const BYTES_A_FRAME: usize = 128;

/// An HTTP/2 connection whose peer is cut off when it chatters.
pub(super) struct Metered<S> {
    stream: S,
    frames: Frames,
}

impl<S> Metered<S> {
    /// `stream`, from its preface on.
    pub(super) fn new(stream: S, clock: Clock) -> Self {
        let last = clock.instant();
        let frames = Frames { skip: PREFACE, head: [0; HEAD], have: 0, level: 0, sent: 0, clock, last };
        Self { stream, frames }
    }
}

/// Where in the bytes the next frame begins, and how much chatter there was.
struct Frames {
    /// Bytes of payload that are still to come.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    level: u32,
    /// Bytes sent that have not made up for a frame yet.
    sent: usize,
    clock: Clock,
    /// When the level was last lowered for the time that went by.
    last: Instant,
}

impl Frames {
    /// Looks at what arrived.
    fn pass(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let here = self.skip.min(bytes.len());
                self.skip -= here;
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            let wanted = HEAD - self.have;
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            if let Some(place) = self.head.get_mut(self.have..self.have + now.len()) {
                place.copy_from_slice(now);
            }
            self.have += now.len();
            bytes = later;
            if self.have == HEAD {
                self.have = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// Weighs the frame of which the head is whole.
    fn frame(&mut self) -> io::Result<()> {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = length;
        match kind {
            HEADERS => self.earn(),
            DATA if length > 0 => self.earn(),
            DATA if flags & END_STREAM != 0 => {}
            // Calls may be cancelled, however many; those that are not accepted yet have a bound of their own.
            RST_STREAM => {}
            _ => {
                self.level = self.level.saturating_add(1);
                if self.level > MAX_CHATTER {
                    return self.forgive();
                }
            }
        }
        Ok(())
    }

    /// A frame of a call came.
    fn earn(&mut self) {
        self.level = self.level.saturating_sub(CHATTER_EARNED);
    }

    /// So many bytes were sent.
    fn sent(&mut self, bytes: usize) {
        let sent = self.sent.saturating_add(bytes);
        self.sent = sent % BYTES_A_FRAME;
        self.level = self.level.saturating_sub(u32::try_from(sent / BYTES_A_FRAME).unwrap_or(u32::MAX));
    }

    /// Lowers the level for the time that went by since the last time; only asked where it is too high, so that no
    /// frame costs a look at the clock.
    fn forgive(&mut self) -> io::Result<()> {
        let now = self.clock.instant();
        let seconds = now.since(self.last).as_secs();
        if seconds > 0 {
            let earned = seconds.saturating_mul(u64::from(CHATTER_A_SECOND));
            self.level = self.level.saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX));
            self.last = now;
        }
        if self.level > MAX_CHATTER {
            return Err(io::Error::other("the peer sends too many frames that belong to no call"));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let arrived = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.frames.pass(arrived))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.frames.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.frames.sent(written);
        Poll::Ready(Ok(written))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frames() -> Frames {
        let clock = Clock::System;
        let last = clock.instant();
        Frames { skip: 0, head: [0; HEAD], have: 0, level: 0, sent: 0, clock, last }
    }

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        bytes.resize(HEAD + payload, 0xff);
        bytes
    }

    fn passes(frames: &mut Frames, sent: &[Vec<u8>], times: u32) -> bool {
        (0..times).all(|_| sent.iter().all(|bytes| frames.pass(bytes).is_ok()))
    }

    #[test]
    fn a_flood_of_any_frame_that_is_no_call_is_cut_at_its_bound() {
        // Priority, settings, ping, window update, continuation, and what nobody knows.
        for kind in [2, 4, PING, WINDOW_UPDATE, 9, 0xfa] {
            let mut peer = frames();
            assert!(passes(&mut peer, &[frame(kind, 0, 8)], MAX_CHATTER), "{kind}");
            assert!(!passes(&mut peer, &[frame(kind, 0, 8)], 1), "{kind}");
        }
        assert!(!passes(&mut frames(), &[frame(DATA, 0, 0)], MAX_CHATTER + 1));
    }

    #[test]
    fn calls_cancelled_or_not_earn_what_goes_with_them() {
        let call = [
            frame(HEADERS, 4, 100),
            frame(DATA, 0, 50),
            frame(WINDOW_UPDATE, 0, 4),
            frame(PING, 0, 8),
            frame(DATA, END_STREAM, 0),
            frame(RST_STREAM, 0, 4),
        ];
        assert!(passes(&mut frames(), &call, 10 * MAX_CHATTER));
        let mut reader = frames();
        for _ in 0..10 * MAX_CHATTER {
            reader.sent(BYTES_A_FRAME);
            assert!(passes(&mut reader, &[frame(WINDOW_UPDATE, 0, 4)], 1));
        }
        let mut pinged = frames();
        let mut cut = false;
        for _ in 0..2 * MAX_CHATTER {
            cut = cut || !passes(&mut pinged, &[frame(PING, 0, 8)], 1);
            pinged.sent(17);
        }
        assert!(cut, "answers to pings must not pay for them");
    }

    #[test]
    fn every_second_makes_up_for_some() {
        let ping = [frame(PING, 0, 8)];
        let mut peer = frames();
        let boot = peer.last.since(Instant::from_origin(Duration::ZERO));
        peer.last = Instant::from_origin(boot.saturating_sub(Duration::from_secs(3)));
        assert!(passes(&mut peer, &ping, MAX_CHATTER + 3 * CHATTER_A_SECOND));
        // Room for a test that stands still for some seconds.
        assert!(!passes(&mut peer, &ping, 30 * CHATTER_A_SECOND));
    }

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let bytes: Vec<u8> =
            (0..MAX_CHATTER).flat_map(|_| frame(PING, 0, 8)).chain(frame(DATA, 0, 70_000)).collect();
        for size in [1, 2, 7, 9, 4_096, bytes.len()] {
            let mut peer = frames();
            peer.skip = 3;
            peer.pass(b"pre").unwrap();
            assert!(bytes.chunks(size).all(|piece| peer.pass(piece).is_ok()), "{size}");
            assert_eq!((peer.skip, peer.have, peer.level), (0, 0, MAX_CHATTER - CHATTER_EARNED), "{size}");
        }
    }
}
