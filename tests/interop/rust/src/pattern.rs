//! The bytes that tests send: byte i is `i mod 251`.

use std::sync::LazyLock;

const PERIOD: u64 = 251;
/// As much as is written or read at once.
pub const CHUNK: usize = 128 * 1024;

/// A whole chunk from any offset of the period.
static BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..CHUNK as u64 + PERIOD).map(|i| (i % PERIOD) as u8).collect());

/// The pattern from `offset` on, `left` bytes of it or a chunk if that is less.
pub fn chunk(offset: u64, left: u64) -> &'static [u8] {
    let start = (offset % PERIOD) as usize;
    let size = left.min(CHUNK as u64) as usize;
    &BYTES[start..start + size]
}

pub fn matches(offset: u64, bytes: &[u8]) -> bool {
    bytes
        .chunks(CHUNK)
        .zip(0..)
        .all(|(piece, i)| piece == chunk(offset + i * CHUNK as u64, piece.len() as u64))
}

/// A gossiped message: its index, then the pattern.
pub fn message(index: u64, size: usize) -> Vec<u8> {
    let mut bytes = index.to_be_bytes().to_vec();
    while bytes.len() < size {
        let done = bytes.len() as u64 - 8;
        bytes.extend_from_slice(chunk(done, (size - bytes.len()) as u64));
    }
    bytes
}

pub fn is_message(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && matches(0, &bytes[8..])
}
