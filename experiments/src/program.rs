//! Which program this is. Plans, profiles and code are all in it, and a version number is not raised by
//! each change.

use anyhow::{Context, Result};

/// A digest of the running program's own file.
pub(crate) fn fingerprint() -> Result<String> {
    let path = std::env::current_exe().context("the program's own path is not known")?;
    let program = std::fs::read(&path)
        .with_context(|| format!("{}: the program cannot be read", path.display()))?;
    Ok(format!("{:016x}", digest(&program)))
}

/// Against differences by accident. Word by word, as a program is long and read at each start.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash =
        words.iter().fold(bytes.len() as u64, |hash, word| step(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_and_the_length_count() {
        let bytes: Vec<u8> = (0..43).collect();
        let mut digests = std::collections::BTreeSet::from([digest(&bytes), digest(&bytes[..42])]);
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x80;
            digests.insert(digest(&changed));
        }
        assert_eq!(digests.len(), 45);
    }
}
