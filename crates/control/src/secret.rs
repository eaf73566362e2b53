//! Secrets that we make: 256 random bits as text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ControlError;

/// `prefix` and 256 random bits in base64 for URLs.
pub(crate) fn generate(prefix: &str) -> Result<String, ControlError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ControlError::internal("the system gives no randomness"))?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
