//! Turns bytes into choices, so that whatever the fuzzer sends means something.

/// Choices yet to be made. Once the bytes are used up every choice is the first.
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number below `bound`, which is 256 at most.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// So many bytes, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes before which stands how many they are, as two bytes.
    pub fn prefixed(&mut self) -> &'a [u8] {
        let count = u16::from_le_bytes([self.byte(), self.byte()]);
        self.take(count.into())
    }

    /// A short text of the fuzzer's own.
    pub fn text(&mut self) -> String {
        let count = self.below(24);
        String::from_utf8_lossy(self.take(count)).into_owned()
    }
}
