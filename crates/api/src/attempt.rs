//! What becomes of a request in the audit log when it is refused or fails.
//!
//! The edge makes an [`Attempt`] of every request; authentication notes in it who tried; answers of errors carry what
//! they told ([`Told`]); and the edge records by status, so that no endpoint can forget it. What ends well is recorded by
//! the use cases, in the transaction that does it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{FromRequestParts, Request};
use control::Control;
use control::audit;
use control::iam::{Actor, Credential, RequestContext};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use model::GroupId;
use serde_json::Value;
use store::Outcome;

use crate::serve::Connection;

/// Longest text of a request that is kept, in characters.
const MAX_CHARACTERS: usize = 512;

/// Which API a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `/api` and `/apisix/admin` of the management API.
    Api,
    /// The Admin API of Apache APISIX.
    ApisixAdmin,
}

/// One request on its way.
#[derive(Clone)]
pub(crate) struct Attempt {
    inner: Arc<Inner>,
}

struct Inner {
    request: RequestContext,
    method: Method,
    group: Option<GroupId>,
    who: Mutex<Who>,
}

/// Who sent it, as far as is known by now.
#[derive(Default, Clone)]
struct Who {
    actor: Option<Actor>,
    tried: Option<Credential>,
    /// The login option that it comes by, by name.
    login_option: Option<String>,
    is_login: bool,
    is_one_too_many: bool,
}

/// What the answer of an error says.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The message.
    pub(crate) message: String,
    /// What was not permitted, if that is why.
    pub(crate) denied: Option<Denied>,
}

/// What was not permitted.
#[derive(Debug, Clone)]
pub(crate) struct Denied {
    /// The action's name.
    pub(crate) action: &'static str,
    /// On what, in words.
    pub(crate) resource: String,
}

impl Told {
    /// From an answer in the words of APISIX or SCIM.
    pub(crate) fn of(body: &Value) -> Self {
        let text = |name| body.get(name).and_then(Value::as_str);
        let texts: Vec<_> = ["error_msg", "message", "description", "detail"].into_iter().filter_map(text).collect();
        Self { message: texts.join(": "), denied: None }
    }
}

impl Attempt {
    /// A request as it arrives.
    pub(crate) fn new(request: &Request, id: &str, surface: Surface) -> Self {
        let headers = request.headers();
        let user_agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let client = request.extensions().get::<Connection>().map(|connection| connection.client.to_string());
        let context = RequestContext {
            address: client.unwrap_or_default(),
            id: id.to_owned(),
            user_agent: cut(&user_agent.unwrap_or_default()),
            method: request.method().to_string(),
            path: cut(request.uri().path()),
            source: source(headers, surface).to_owned(),
        };
        let (method, group) = (request.method().clone(), group_of(request.uri()));
        Self { inner: Arc::new(Inner { request: context, method, group, who: Mutex::default() }) }
    }

    /// The attempt that a request carries.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_else(|| {
            // Only a request that came past the edge has none.
            Self::new(&Request::default(), "", Surface::Api)
        })
    }

    /// The request.
    pub(crate) fn request(&self) -> &RequestContext {
        &self.inner.request
    }

    /// Somebody tries to come in by this; `name` is never a secret.
    pub(crate) fn tries(&self, kind: &str, name: &str) {
        let tried = Credential { kind: kind.to_owned(), id: String::new(), name: name.to_owned() };
        self.who().tried = Some(tried);
    }

    /// Somebody tries to begin a session under this name.
    pub(crate) fn tries_login(&self, name: &str) {
        self.tries("password", name);
        self.who().is_login = true;
    }

    /// Somebody tries to begin a session by this login option; who that is is not known yet.
    pub(crate) fn tries_login_option(&self, id: &str, name: &str) {
        let mut who = self.who();
        who.tried = Some(Credential { kind: "sign_on".to_owned(), id: id.to_owned(), name: String::new() });
        who.login_option = Some(name.to_owned());
        who.is_login = true;
    }

    /// Who comes by the login option says that it is this user.
    pub(crate) fn says_it_is(&self, username: &str) {
        if let Some(tried) = &mut self.who().tried {
            username.clone_into(&mut tried.name);
        }
    }

    /// It is refused before anything is looked up, for its sender sends too many; `kind` is of what it shows, if anything.
    pub(crate) fn is_one_too_many(&self, kind: &str) {
        self.tries(kind, "");
        self.who().is_one_too_many = true;
    }

    /// The actor, in this request.
    pub(crate) fn recognised(&self, actor: Actor) -> Actor {
        let actor = actor.in_request(self.inner.request.clone());
        self.who().actor = Some(actor.clone());
        actor
    }

    /// Records a request that was refused, or a write that failed.
    pub(crate) async fn ended(&self, control: &Control, status: StatusCode, told: Option<&Told>) {
        let who = self.who().clone();
        let Some(outcome) = self.outcome(status, &who) else { return };
        let denied = told.and_then(|told| told.denied.as_ref());
        let action = denied.map_or(action_of(status, &who), |denied| denied.action);
        let reason = status.canonical_reason().unwrap_or_default();
        let group = || self.inner.group.clone().or_else(|| who.actor.as_ref()?.own_group().cloned());
        let (resource_kind, resource_name) = self.resource(outcome, denied, &who);
        let attempt = audit::Attempt {
            actor: who.actor.as_ref(),
            credential: who.tried.clone().unwrap_or_default(),
            // A stranger's word for a group makes no entry in the group's log.
            group: who.actor.is_some().then(group).flatten(),
            resource_kind: resource_kind.to_owned(),
            resource_name,
            outcome,
            ..audit::Attempt::refused(&self.inner.request, action, told.map_or(reason, |told| &told.message))
        };
        control.note_attempt(attempt).await;
    }

    fn outcome(&self, status: StatusCode, who: &Who) -> Option<Outcome> {
        match status {
            // Who brought nothing has tried nothing: a page that asks whether one is logged in.
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => {
                (who.tried.is_some() || who.actor.is_some()).then_some(Outcome::Refused)
            }
            StatusCode::FORBIDDEN => Some(Outcome::Refused),
            // Another account has the name, the login option is gone: nobody came in.
            _ if who.is_login && status.is_client_error() => Some(Outcome::Refused),
            // Without its database the control plane cannot record that it has none.
            StatusCode::SERVICE_UNAVAILABLE => None,
            // A validation that finds faults has done what was asked.
            _ if self.inner.method.is_safe() || self.inner.request.path.ends_with("/validate") => None,
            status if status.is_client_error() || status.is_server_error() => {
                who.actor.is_some().then_some(Outcome::Failed)
            }
            _ => None,
        }
    }

    /// To what it was, as well as that can be told without the use case.
    fn resource(&self, outcome: Outcome, denied: Option<&Denied>, who: &Who) -> (&'static str, String) {
        if let Some(denied) = denied {
            return ("", denied.resource.clone());
        }
        match &who.tried {
            Some(tried) if tried.name.is_empty() && who.login_option.is_some() => {
                ("login_option", who.login_option.clone().unwrap_or_default())
            }
            Some(tried) if who.actor.is_none() && !tried.name.is_empty() => ("user", tried.name.clone()),
            _ if outcome == Outcome::Failed => ("", self.inner.request.path.clone()),
            _ => ("", String::new()),
        }
    }

    fn who(&self) -> MutexGuard<'_, Who> {
        self.inner.who.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Attempt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// What is said of a request whose use case did not say what it was.
fn action_of(status: StatusCode, who: &Who) -> &'static str {
    match status {
        _ if who.is_login => "Login",
        _ if who.is_one_too_many => "Request",
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => "Authenticate",
        _ => "Request",
    }
}

/// By what sort of client; clients say so themselves, so it is for reading and not for trust.
fn source(headers: &HeaderMap, surface: Surface) -> &'static str {
    let is_own_client = headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"flotilla/"));
    match surface {
        Surface::ApisixAdmin => "apisix-admin",
        Surface::Api if is_own_client => "cli",
        Surface::Api if headers.contains_key("sec-fetch-site") => "dashboard",
        Surface::Api => "api",
    }
}

/// The group that the address names.
fn group_of(uri: &Uri) -> Option<GroupId> {
    let mut segments = uri.path().split('/').skip_while(|segment| *segment != "gateway_groups").skip(1);
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
    let in_query = pairs.filter_map(|pair| pair.strip_prefix("gateway_group_id=")).next();
    in_query.or_else(|| segments.next()).and_then(|id| GroupId::new(id).ok())
}

fn cut(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_group_is_the_one_that_the_address_names() {
        let group = |uri: &'static str| group_of(&Uri::from_static(uri)).map(String::from);
        assert_eq!(group("/apisix/admin/routes?page=1&gateway_group_id=g1"), Some("g1".to_owned()));
        assert_eq!(group("/api/gateway_groups/g2/instances"), Some("g2".to_owned()));
        assert_eq!(group("/api/gateway_groups"), None);
        assert_eq!(group("/api/tokens"), None);
    }

    #[test]
    fn clients_are_told_apart() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        assert_eq!(source(&with("user-agent", "flotilla/0.1.0"), Surface::Api), "cli");
        assert_eq!(source(&with("sec-fetch-site", "same-origin"), Surface::Api), "dashboard");
        assert_eq!(source(&with("user-agent", "curl/8"), Surface::Api), "api");
        assert_eq!(source(&with("user-agent", "curl/8"), Surface::ApisixAdmin), "apisix-admin");
    }
}
