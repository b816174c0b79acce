//! The only room that asks for randomness; everything else is told.

use std::cell::RefCell;

use crate::ids::Entropy;

/// Bytes that a thread asks for at once: one system call in sixteen ids or salts.
const STOCK: usize = 256;

/// Random bytes of a thread that were asked for and not yet given out.
struct Stock {
    bytes: [u8; STOCK],
    /// How many of them, from the end, are left.
    left: usize,
}

thread_local! {
    static STOCKS: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], left: 0 }) };
}

/// `N` bytes from the operating system's generator.
///
/// A machine without randomness can mint neither keys nor salts; the process ends rather than go on with
/// guessable ones.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Sixteen random bytes for one new identifier.
pub fn id() -> Entropy {
    stocked()
}

/// Sixteen random bytes for what stands in the database beside them, such as a record's salt.
pub fn salt() -> Entropy {
    stocked()
}

/// From the thread's stock, which is the operating system's bytes too, asked for ahead. What was given out is wiped
/// from it, so that a look into the memory tells nothing of what went before. Never for secrets: those are not to lie
/// in memory before they are made. The program does not go on as two after a `fork`, which would share a stock.
fn stocked() -> Entropy {
    STOCKS.with_borrow_mut(|stock| {
        if stock.left < size_of::<Entropy>() {
            fill(&mut stock.bytes);
            stock.left = STOCK;
        }
        let rest = stock.left.saturating_sub(size_of::<Entropy>());
        let mut given = Entropy::default();
        if let Some(place) = stock.bytes.get_mut(rest..stock.left) {
            given.copy_from_slice(place);
            place.fill(0);
        }
        stock.left = rest;
        given
    })
}

fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_given_out_twice_or_unfilled() {
        let here: HashSet<_> = (0..1_000).map(|_| id()).collect();
        let there = std::thread::spawn(|| (0..1_000).map(|_| salt()).collect::<HashSet<_>>()).join().unwrap();
        let all: HashSet<_> = here.union(&there).collect();
        assert_eq!(all.len(), 2_000);
        assert!(!all.contains(&Entropy::default()));
    }

    #[test]
    fn what_was_given_out_is_wiped() {
        let given = id();
        STOCKS.with_borrow(|stock| {
            assert!(stock.bytes.windows(given.len()).all(|bytes| bytes != given));
            assert!(stock.bytes[stock.left..].iter().all(|byte| *byte == 0));
        });
    }
}
