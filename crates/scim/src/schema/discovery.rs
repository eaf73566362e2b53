//! What clients are told of the server (RFC 7643, sections 5 to 7).

use serde_json::{Value, json};

use super::{Attribute, Definition, GROUP, Kind, Mutability, USER};

/// What of the protocol is served. `base` is the address of the endpoints, `most` the longest list.
pub fn service_provider_config(base: &str, most: u64) -> Value {
    let supported = |supported: bool| json!({ "supported": supported });
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": supported(true),
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": most },
        "changePassword": supported(true),
        "sort": supported(true),
        "etag": supported(true),
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "SCIM token",
            "description": "The token made at POST /api/system_settings/scim/token",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}

/// The sorts of resource.
pub fn resource_types(base: &str) -> Vec<Value> {
    [USER, GROUP].iter().map(|definition| resource_type(definition, base)).collect()
}

fn resource_type(definition: &Definition, base: &str) -> Value {
    let extensions = definition.extensions.iter();
    let extensions: Vec<_> =
        extensions.map(|extension| json!({ "schema": extension.urn, "required": false })).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": definition.name,
        "name": definition.name,
        "endpoint": definition.endpoint,
        "schema": definition.urn,
        "schemaExtensions": extensions,
        "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", definition.name) },
    })
}

/// The schemas with their attributes.
pub fn schemas(base: &str) -> Vec<Value> {
    let own = [USER, GROUP].map(|definition| (definition.urn, definition.name, definition.attributes));
    let further = USER.extensions.iter().map(|extension| (extension.urn, extension.name, extension.attributes));
    let all = own.into_iter().chain(further);
    all.map(|(urn, name, attributes)| {
        // Common attributes belong to no schema (RFC 7643, section 3.1).
        let own = attributes.iter().filter(|attribute| !["id", "externalId", "meta"].contains(&attribute.name));
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": urn,
            "name": name,
            "attributes": own.map(told).collect::<Vec<_>>(),
            "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{urn}") },
        })
    })
    .collect()
}

fn told(attribute: &Attribute) -> Value {
    let kind = match attribute.kind {
        Kind::Text => "string",
        Kind::Bool => "boolean",
        Kind::Reference => "reference",
        Kind::Moment => "dateTime",
        Kind::Complex(_) => "complex",
    };
    let (mutability, returned) = match attribute.mutability {
        Mutability::ReadOnly => ("readOnly", "default"),
        Mutability::ReadWrite => ("readWrite", "default"),
        Mutability::WriteOnly => ("writeOnly", "never"),
    };
    let mut shown = json!({
        "name": attribute.name,
        "type": kind,
        "multiValued": attribute.multi,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": mutability,
        "returned": returned,
        "uniqueness": if attribute.unique { "server" } else { "none" },
    });
    if !attribute.parts().is_empty() {
        shown["subAttributes"] = attribute.parts().iter().map(told).collect();
    }
    shown
}
