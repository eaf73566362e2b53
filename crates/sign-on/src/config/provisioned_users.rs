//! Which of the users that SCIM made somebody is who signs in for the first time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What of a provisioned user is compared with what the provider says; ours, API7 has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionedUsers {
    /// What SCIM keeps of the user.
    pub attribute: ProvisionedAttribute,
    /// The claim it must be equal to; left out: `sub`, `preferred_username` or `email`. An address is compared with
    /// `email` alone, for that is what `email_verified` is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}

/// An attribute of SCIM's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvisionedAttribute {
    /// `externalId`
    ExternalId,
    /// `userName`
    Username,
    /// The address of the user.
    Email,
}

impl ProvisionedUsers {
    /// What the provisioned user's attribute must be; none when the provider does not say it, or does not vouch for an
    /// address by `email_verified`.
    pub fn wanted(&self, claims: &Map<String, Value>) -> Option<String> {
        if self.attribute == ProvisionedAttribute::Email && !is_verified(claims) {
            return None;
        }
        let text = claims.get(self.claim())?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn claim(&self) -> &str {
        self.claim.as_deref().unwrap_or(match self.attribute {
            ProvisionedAttribute::ExternalId => "sub",
            ProvisionedAttribute::Username => "preferred_username",
            ProvisionedAttribute::Email => "email",
        })
    }

    /// Whether the claim can be compared.
    pub(super) fn is_sound(&self) -> bool {
        let is_claim = |claim: &str| !claim.is_empty();
        match self.attribute {
            ProvisionedAttribute::Email => self.claim.is_none(),
            _ => self.claim.as_deref().is_none_or(is_claim),
        }
    }
}

/// Stricter than for an address that is only shown: to say nothing is not to vouch. Some providers write it as text.
fn is_verified(claims: &Map<String, Value>) -> bool {
    claims.get("email_verified").is_some_and(|verified| verified == true || verified == "true")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(setting: Value, claims: Value) -> Option<String> {
        let setting: ProvisionedUsers = serde_json::from_value(setting).expect("a setting");
        setting.wanted(claims.as_object().expect("claims"))
    }

    #[test]
    fn an_address_counts_when_the_provider_vouches_for_it() {
        let setting = json!({ "attribute": "email" });
        for (verified, counts) in [(json!(true), true), (json!("true"), true), (json!(false), false), (json!(1), false)]
        {
            let claims = json!({ "email": "a@example.com", "email_verified": verified });
            assert_eq!(wanted(setting.clone(), claims).is_some(), counts, "{verified}");
        }
        assert_eq!(wanted(setting, json!({ "email": "a@example.com" })), None, "not a word is not a yes");
    }

    #[test]
    fn the_documents_example_is_right() {
        let document = include_str!("../../../../docs/SIGN-ON.md");
        let section = document.split("### Users whom SCIM made").nth(1).expect("the section");
        let example = section.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let example: Value = serde_json::from_str(example).expect("JSON");
        let found = wanted(example["provisioned_users"].clone(), json!({ "sub": "s", "oid": "o" }));
        assert_eq!(found.as_deref(), Some("o"));
    }

    #[test]
    fn a_claim_is_compared_when_it_is_text() {
        let claims = json!({ "sub": "s", "oid": "o", "preferred_username": "ann", "n": 1, "none": "" });
        let cases = [
            (json!({ "attribute": "external_id" }), Some("s")),
            (json!({ "attribute": "external_id", "claim": "oid" }), Some("o")),
            (json!({ "attribute": "username" }), Some("ann")),
            (json!({ "attribute": "username", "claim": "n" }), None),
            (json!({ "attribute": "username", "claim": "none" }), None),
            (json!({ "attribute": "username", "claim": "upn" }), None),
        ];
        for (setting, expected) in cases {
            assert_eq!(wanted(setting.clone(), claims.clone()).as_deref(), expected, "{setting}");
        }
    }
}
