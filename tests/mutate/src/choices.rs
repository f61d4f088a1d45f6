//! [`Choices`]: a fuzzer's bytes as decisions.

/// Decisions, taken from bytes one after the other. At their end every decision is 0, so that a short input says
/// little and an empty one nothing.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    left: &'a [u8],
}

impl<'a> Choices<'a> {
    /// The decisions in these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Whether all were taken.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        *first
    }

    /// A number from two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `count`; 0 if there is none.
    pub fn below(&mut self, count: usize) -> usize {
        let drawn = if count > 256 { usize::from(self.short()) } else { usize::from(self.byte()) };
        drawn.checked_rem(count).unwrap_or_default()
    }

    /// One of these, if there are any.
    pub fn pick<'b, T>(&mut self, from: &'b [T]) -> Option<&'b T> {
        let index = self.below(from.len());
        from.get(index)
    }

    /// Up to 64 bytes as they are.
    pub fn some(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte() % 65).min(self.left.len());
        let (some, rest) = self.left.split_at(length);
        self.left = rest;
        some
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }
}
