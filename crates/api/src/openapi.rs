//! The OpenAPI document: made from the handlers, then told kind by kind.
//!
//! All resources of a group share one set of handlers under `/apisix/admin/{kind}`; readers and generators want one path
//! for each kind with that kind's schema, so the templates are written out here from `model`'s schemas.

use model::{Kind, schema};
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};

use crate::permissions::{self, Endpoint, Needs};

const ABOUT: &str = "Management of gateway groups under /api, and of one group's resources under /apisix/admin. \
    Single objects come as {value}, lists as {list, total}, errors as {error_msg}.";

/// The document before any endpoint.
pub(crate) fn base() -> OpenApi {
    let key = |value| SecurityScheme::ApiKey(value);
    let components = ComponentsBuilder::new()
        .security_scheme("api_key", key(ApiKey::Header(ApiKeyValue::new("X-API-KEY"))))
        .security_scheme("session", key(ApiKey::Cookie(ApiKeyValue::new(crate::auth::SESSION_COOKIE))))
        .security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)))
        .security_scheme("scim_token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .build();
    let schemes = ["api_key", "session", "basic"].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
    let version = env!("CARGO_PKG_VERSION");
    let info = InfoBuilder::new().title("Flotilla").version(version).description(Some(ABOUT)).build();
    OpenApiBuilder::new().info(info).components(Some(components)).security(Some(schemes)).build()
}

/// The document with the templates written out.
pub(crate) fn written_out(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    add_schemas(&mut document);
    let Some(Value::Object(paths)) = document.get_mut("paths") else {
        return document;
    };
    let (templates, plain): (Vec<_>, Vec<_>) =
        std::mem::take(paths).into_iter().partition(|(path, _)| path.contains("{kind}"));
    paths.extend(plain);
    for (template, item) in templates {
        for place in Place::all() {
            paths.insert(template.replace("/{kind}", &place.path), place.item(&item));
        }
    }
    for endpoint in permissions::table() {
        tell(paths.get_mut(&endpoint.path), &endpoint);
    }
    document
}

/// What an endpoint takes, for readers and generators.
fn tell(item: Option<&mut Value>, endpoint: &Endpoint) {
    let operation = item.and_then(|item| item.get_mut(endpoint.method.to_lowercase())).and_then(Value::as_object_mut);
    let Some(operation) = operation else { return };
    let permission = match &endpoint.needs {
        Needs::Nobody => {
            operation.insert("security".to_owned(), json!([]));
            return;
        }
        Needs::ScimToken => {
            operation.insert("security".to_owned(), json!([{ "scim_token": [] }]));
            return;
        }
        Needs::Anybody | Needs::OwnAccount => return,
        Needs::One(actions, on) => {
            json!({ "actions": actions.iter().map(|action| action.name()).collect::<Vec<_>>(), "resource": on })
        }
        Needs::Visible(action) => json!({ "actions": [action.name()], "resource": "what the answer shows" }),
    };
    operation.insert("x-permission".to_owned(), permission);
}

fn add_schemas(document: &mut Value) {
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        schemas.extend(Kind::ALL.map(|kind| (schema_name(kind), schema::of(kind))));
    }
}

/// `plugin_config` is `PluginConfig`.
fn schema_name(kind: Kind) -> String {
    let words = kind.name().split('_');
    words
        .map(|word| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>())
        .collect()
}

/// Where a kind is found.
struct Place {
    kind: Kind,
    /// What `/{kind}` becomes.
    path: String,
    /// Name of the parent's parameter.
    parent: Option<&'static str>,
}

impl Place {
    fn all() -> Vec<Self> {
        let top = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Credential);
        let top = top.map(|kind| Place { kind, path: format!("/{}", kind.plural()), parent: None });
        let below = |kind: Kind, above: Kind, parent: &'static str| Place {
            kind,
            path: format!("/{}/{{{parent}}}/{}", above.plural(), kind.plural()),
            parent: Some(parent),
        };
        let nested =
            [below(Kind::Upstream, Kind::Service, "service_id"), below(Kind::Credential, Kind::Consumer, "username")];
        top.chain(nested).collect()
    }

    fn item(&self, template: &Value) -> Value {
        let mut item = template.clone();
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            self.write_out(operation);
        }
        item
    }

    fn write_out(&self, operation: &mut Map<String, Value>) {
        let below = self.parent.map_or(String::new(), |parent| format!("_of_{parent}"));
        let verb = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().replace("_resource", "");
        operation.insert("operationId".to_owned(), json!(format!("{verb}_{}{below}", self.kind.name())));
        operation.insert("tags".to_owned(), json!([self.kind.plural()]));
        if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
            parameters.retain(|parameter| parameter.get("name") != Some(&json!("kind")));
            if let Some(parent) = self.parent {
                let parameter =
                    json!({ "name": parent, "in": "path", "required": true, "schema": { "type": "string" } });
                parameters.insert(0, parameter);
            }
        }
        // A patch is no whole resource.
        if !verb.starts_with("patch") && operation.contains_key("requestBody") {
            let reference = json!({ "$ref": format!("#/components/schemas/{}", schema_name(self.kind)) });
            let body = json!({ "required": true, "content": { "application/json": { "schema": reference } } });
            operation.insert("requestBody".to_owned(), body);
        }
    }
}
