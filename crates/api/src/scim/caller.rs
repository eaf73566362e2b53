//! Who asks: the one SCIM token, as `Authorization: Bearer`. No other key, cookie or password is looked at.

use axum::extract::{FromRef, FromRequestParts};
use control::Control;
use control::iam::Actor;
use http::header;
use http::request::Parts;

use super::answer::{ScimError, ScimResult};
use crate::attempt::Attempt;

/// The identity provider; a handler that takes it answers 401 to everybody else.
pub(crate) struct ScimCaller {
    /// Who it is.
    pub(crate) actor: Actor,
}

impl<S: Send + Sync> FromRequestParts<S> for ScimCaller
where
    Control: FromRef<S>,
{
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ScimResult<Self> {
        let attempt = Attempt::of(parts);
        attempt.tries("scim_token", "");
        let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| ScimError::new(401, "send the SCIM token as Authorization: Bearer"))?;
        let actor = Control::from_ref(state).authenticate_scim(token).await?;
        Ok(Self { actor: attempt.recognised(actor) })
    }
}
