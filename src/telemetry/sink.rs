//! Where lines go: to a thread that writes them, so that nobody who logs waits for whoever reads. The queue is bounded;
//! a line that finds it full is dropped and counted, and the next one that is written is preceded by the count.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that may wait: a second of what a server under load says at `DEBUG`, a few megabytes.
pub const MAX_WAITING: usize = 8_192;

/// How long the end waits for lines that are not written yet.
const FAREWELL: Duration = Duration::from_secs(2);

enum Job {
    Line(String),
    /// Everything before it is written.
    Flush(SyncSender<()>),
}

/// The way to the writing thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sink {
    jobs: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    /// A sink before `output`, in which `waiting` lines may wait. `lost` says in a line of its own how many were dropped.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        waiting: usize,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, todo) = mpsc::sync_channel(waiting);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(output, &todo, &counter, lost))?;
        Ok(Self { jobs, dropped })
    }

    /// Takes a line, or drops it. Never waits.
    pub(super) fn line(&self, line: String) {
        match self.jobs.try_send(Job::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lines dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was taken is written, but not for long: whoever reads may be gone.
    pub(super) fn flush(&self) {
        let (done, written) = mpsc::sync_channel(1);
        // Whoever flushes is about to end, and may wait for room for as long as for the writing.
        let mut job = Job::Flush(done);
        for _ in 0..FAREWELL.as_millis() / PAUSE.as_millis() {
            match self.jobs.try_send(job) {
                Ok(()) => {
                    written.recv_timeout(FAREWELL).ok();
                    return;
                }
                Err(TrySendError::Full(back)) => job = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(PAUSE);
        }
    }
}

const PAUSE: Duration = Duration::from_millis(10);

fn write(mut output: impl Write, todo: &Receiver<Job>, dropped: &AtomicU64, lost: impl Fn(u64) -> String) {
    let mut told = 0;
    while let Ok(job) = todo.recv() {
        match job {
            // One write a line, so that lines do not mix with those of others. Nowhere to complain if it fails.
            Job::Line(line) => {
                let now = dropped.load(Ordering::Relaxed);
                if now > told {
                    output.write_all(lost(now - told).as_bytes()).ok();
                    told = now;
                }
                output.write_all(line.as_bytes()).ok();
            }
            Job::Flush(done) => {
                output.flush().ok();
                done.try_send(()).ok();
            }
        }
    }
}

/// The sink of the program, once there is one; a part of the tracing dispatcher, which is global too.
static PROGRAM: Mutex<Option<Sink>> = Mutex::new(None);

/// Makes `sink` the program's.
pub(super) fn install(sink: Sink) {
    *PROGRAM.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
}

/// The program's sink.
pub(super) fn of_program() -> Option<Sink> {
    PROGRAM.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that takes nothing until it is told to.
    struct Held {
        gate: Receiver<()>,
        written: Arc<Mutex<String>>,
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.gate.recv().ok();
            self.written.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn held(waiting: usize) -> (Sink, mpsc::Sender<()>, Arc<Mutex<String>>) {
        let (open, gate) = mpsc::channel();
        let written = Arc::new(Mutex::new(String::new()));
        let output = Held { gate, written: Arc::clone(&written) };
        let sink = Sink::start(output, waiting, |count| format!("lost {count}\n")).unwrap();
        (sink, open, written)
    }

    #[test]
    fn a_reader_that_takes_nothing_keeps_nobody_waiting_and_what_is_dropped_is_counted_and_told() {
        let (sink, open, written) = held(4);
        for number in 0..100 {
            sink.line(format!("{number}\n"));
        }
        // One may be in the writer's hand.
        let dropped = sink.dropped();
        assert!((95..=96).contains(&dropped), "{dropped}");
        drop(open);
        sink.flush();
        sink.line("next\n".to_owned());
        sink.flush();
        let written = written.lock().unwrap().clone();
        assert!(written.contains(&format!("lost {dropped}\n")), "{written}");
        assert!(written.ends_with("next\n"), "{written}");
    }

    #[test]
    fn what_was_taken_is_written_in_order_before_the_end() {
        let (sink, open, written) = held(1_000);
        drop(open);
        for number in 0..500 {
            sink.line(format!("{number}\n"));
        }
        sink.flush();
        let expected: String = (0..500).map(|number| format!("{number}\n")).collect();
        assert_eq!((written.lock().unwrap().clone(), sink.dropped()), (expected, 0));
    }
}
