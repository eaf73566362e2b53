//! Bodies as they were before an upstream compressed them.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

/// What a body in gzip was before: at most `limit` bytes of it, and whether that is all. Without a body there was none.
pub(crate) fn gunzip(body: &[u8], limit: usize) -> (Vec<u8>, bool) {
    let mut plain = Vec::new();
    if body.is_empty() {
        return (plain, true);
    }
    let mut decoder = MultiGzDecoder::new(body);
    let read = decoder.by_ref().take(limit as u64).read_to_end(&mut plain);
    let is_whole = read.is_ok() && matches!(decoder.read(&mut [0]), Ok(0));
    (plain, is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gzip;

    #[test]
    fn what_was_compressed_comes_back_up_to_a_length() {
        let packed = gzip(b"hello world");
        assert_eq!(gunzip(&packed, 11), (b"hello world".to_vec(), true));
        assert_eq!(gunzip(&packed, 5), (b"hello".to_vec(), false));
        assert_eq!(gunzip(&[&packed[..], &gzip(b"!")].concat(), 100), (b"hello world!".to_vec(), true));
        assert_eq!(gunzip(&gzip(b""), 100), (Vec::new(), true));
        assert_eq!(gunzip(b"", 100), (Vec::new(), true));
        assert!(!gunzip(b"hello world", 100).1);
        assert!(!gunzip(&packed[..packed.len() - 1], 100).1, "cut short");
        let bomb = gzip(&vec![0; 1 << 20]);
        assert_eq!(gunzip(&bomb, 1000).0.len(), 1000);
    }
}
