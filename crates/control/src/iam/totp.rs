//! Time-based one-time codes (RFC 6238): six digits, thirty seconds, HMAC-SHA-1, as every authenticator app makes them.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

/// Seconds of one code.
const STEP_SECONDS: i64 = 30;
/// Clocks may be one step apart.
const DRIFT: i64 = 1;
const DIGITS: u32 = 6;
/// Bytes of a key, as RFC 4226 recommends.
pub(super) const KEY_BYTES: usize = 20;

/// The time step of which `code` is the code, if it is one of about now.
pub(super) fn step_of(key: &[u8], code: &str, now: i64) -> Option<i64> {
    let current = now.div_euclid(STEP_SECONDS);
    let is_code = |step: &i64| bool::from(at(key, *step).as_bytes().ct_eq(code.as_bytes()));
    (current - DRIFT..=current + DRIFT).find(is_code)
}

/// The code of a step: RFC 4226, section 5.3.
fn at(key: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0x0f);
    let word = bytes.iter().skip(offset).take(4).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:06}", (word & 0x7fff_ffff) % 10u32.pow(DIGITS))
}

/// A key as authenticator apps take it.
pub(super) fn written(key: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B, the last six of eight digits.
    #[test]
    fn codes_are_those_of_the_specification() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(at(KEY, seconds / STEP_SECONDS), code, "at {seconds}");
            assert_eq!(step_of(KEY, code, seconds), Some(seconds / STEP_SECONDS));
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_and_late_and_no_further() {
        let good = |now| step_of(KEY, "287082", now).is_some();
        assert_eq!([0, 29, 30, 59, 89, 90].map(good), [true, true, true, true, true, false]);
        for wrong in ["", "28708", "2870822", "000000", "２87082"] {
            assert_eq!(step_of(KEY, wrong, 59), None, "{wrong:?}");
        }
    }
}
