//! How a file's bytes lie in storage: as they are, or compressed by one of three algorithms.

use std::io::{self, Read, Write as _};

use serde::{Deserialize, Serialize};

/// Which algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// RFC 1952, level 6.
    Gzip,
    /// RFC 7932, quality 6, a window of 4 MB.
    Brotli,
    /// RFC 8878, level 6.
    Zstd,
}

/// The stored bytes are not those of the file.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// They cannot be decompressed.
    #[error("the stored bytes cannot be decompressed: {0}")]
    Broken(#[from] io::Error),
    /// They hold more or less than the file.
    #[error("the stored bytes hold more or less than the file")]
    WrongLength,
}

const GZIP_LEVEL: u32 = 6;
const BROTLI_QUALITY: u32 = 6;
const BROTLI_WINDOW_BITS: u32 = 22;
const ZSTD_LEVEL: i32 = 6;
const BUFFER_BYTES: usize = 64 * 1024;

impl Compression {
    /// Every algorithm, for tables and tests.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "brotli",
            Self::Zstd => "zstd",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Compresses a file's bytes.
    ///
    /// # Errors
    /// When the library fails, which for bytes in memory it has no reason to.
    pub fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(bytes)?;
                writer.finish()
            }
            Self::Brotli => {
                let mut out = Vec::new();
                brotli::CompressorReader::new(bytes, BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS)
                    .read_to_end(&mut out)?;
                Ok(out)
            }
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
        }
    }

    /// The bytes of a file of `size_bytes`. No more than one byte beyond is ever made, whatever the stored bytes would become.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn decompress(self, stored: &[u8], size_bytes: u64) -> Result<Vec<u8>, Unreadable> {
        match self {
            Self::Gzip => whole(flate2::read::GzDecoder::new(stored), size_bytes),
            Self::Brotli => whole(brotli::Decompressor::new(stored, BUFFER_BYTES), size_bytes),
            Self::Zstd => whole(zstd::stream::read::Decoder::with_buffer(stored)?, size_bytes),
        }
    }
}

fn whole(reader: impl Read, size_bytes: u64) -> Result<Vec<u8>, Unreadable> {
    let mut out = Vec::new();
    let read = reader.take(size_bytes.saturating_add(1)).read_to_end(&mut out)?;
    if u64::try_from(read).is_ok_and(|read| read == size_bytes) {
        Ok(out)
    } else {
        Err(Unreadable::WrongLength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-10
    #[test]
    fn what_was_compressed_becomes_the_same_bytes_again() {
        let text = b"the same words, the same words, ".repeat(2000);
        for algorithm in Compression::ALL {
            let stored = algorithm.compress(&text).unwrap();
            assert!(stored.len() < text.len() / 20, "{algorithm:?}: {}", stored.len());
            assert_eq!(algorithm.decompress(&stored, text.len() as u64).unwrap(), text);
            assert_eq!(Compression::named(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Compression::named("lzma"), None);
    }

    #[test]
    fn no_more_is_made_than_the_file_holds() {
        let bomb = vec![0; 50_000_000];
        for algorithm in Compression::ALL {
            let stored = algorithm.compress(&bomb).unwrap();
            for size in [0, 1000, 60_000_000] {
                let outcome = algorithm.decompress(&stored, size);
                assert!(matches!(outcome, Err(Unreadable::WrongLength)), "{algorithm:?} {size}");
            }
            assert!(algorithm.decompress(b"no such thing", 13).is_err());
            assert!(algorithm.decompress(&stored[..stored.len() / 2], 50_000_000).is_err());
        }
    }
}
