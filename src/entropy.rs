//! The only room that asks for randomness; everything else is told.

use crate::ids::Entropy;

/// `N` bytes from the operating system's generator.
///
/// A machine without randomness can mint neither keys nor salts; the process ends rather than go on with
/// guessable ones.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// Sixteen random bytes for one new identifier.
pub fn id() -> Entropy {
    bytes()
}
