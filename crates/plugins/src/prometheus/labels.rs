//! What tells series apart.

use std::fmt::Write;

use http::StatusCode;
use plugin_api::Exchange;
use serde_json::Value;

/// Labels that a group's metadata can switch off (`disabled_labels`), by their place in the masks below.
const NAMES: [&str; 7] = ["route", "matched_uri", "matched_host", "service", "consumer", "node", "response_source"];

/// The metrics that have labels of requests, by their place in [`Disabled`].
pub(super) const METRICS: [&str; 3] = ["http_status", "http_latency", "bandwidth"];

/// What every series of traffic that is not an LLM's says. Source: APISIX's exporter since 3.14.
const TRADITIONAL: &str = "request_type=\"traditional_http\",request_llm_model=\"\",llm_model=\"\"";
/// The same of connections that became WebSockets, whose times say nothing of requests. Source: APISIX since 3.19.
const WEBSOCKET: &str = "request_type=\"websocket\",request_llm_model=\"\",llm_model=\"\"";

/// Labels that are left empty, for each of [`METRICS`] a mask over [`NAMES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Disabled([u8; 3]);

impl Disabled {
    /// Reads `{"disabled_labels": {"http_status": ["node"]}}`.
    pub(super) fn of(metadata: Option<&Value>) -> Self {
        let by_metric = metadata.and_then(|metadata| metadata.get("disabled_labels"));
        Self(METRICS.map(|metric| {
            let names = by_metric.and_then(|by_metric| by_metric.get(metric)).and_then(Value::as_array);
            let is_disabled = |name: &str| names.is_some_and(|names| names.iter().any(|other| other == name));
            NAMES.iter().enumerate().filter(|(_, name)| is_disabled(name)).fold(0, |mask, (at, _)| mask | 1 << at)
        }))
    }

    fn has(self, metric: usize, label: &str) -> bool {
        let at = NAMES.iter().position(|name| *name == label);
        let mask = self.0.get(metric).copied().unwrap_or_default();
        at.is_some_and(|at| mask & 1 << at != 0)
    }

    /// Whether no metric shows the label, so that it need not tell series apart either.
    fn everywhere(self, label: &str) -> bool {
        (0..METRICS.len()).all(|metric| self.has(metric, label))
    }
}

/// Where a request went and whose it was: the labels of latency and bandwidth.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Target {
    route: Box<str>,
    service: Box<str>,
    consumer: Box<str>,
    node: Box<str>,
    is_websocket: bool,
    disabled: Disabled,
}

/// Who made a response. Source: `get_response_source` of APISIX's `core/response.lua`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    /// The gateway or a plugin, without a node.
    Gateway,
    /// The gateway, because a node did not answer.
    Proxy,
    Upstream,
}

/// The labels of `apisix_http_status`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Status {
    code: u16,
    matched_uri: Box<str>,
    matched_host: Box<str>,
    target: Target,
    source: Source,
}

impl Source {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let outcome = &exchange.outcome;
        match exchange.response.local {
            false => Self::Upstream,
            true if outcome.fault.is_some() && outcome.upstream_addr.is_some() => Self::Proxy,
            true => Self::Gateway,
        }
    }

    /// As APISIX names them.
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "apisix",
            Self::Proxy => "nginx",
            Self::Upstream => "upstream",
        }
    }
}

impl Target {
    /// With `prefer_name`, routes and services go by name where they have one.
    fn of(exchange: &Exchange, prefer_name: bool, disabled: Disabled) -> Self {
        let route = exchange.route();
        let pick = |label: &str, id: Option<&str>, name: Option<&str>| -> Box<str> {
            let preferred = if prefer_name { name.or(id) } else { id };
            preferred.filter(|_| !disabled.everywhere(label)).unwrap_or_default().into()
        };
        let consumer = exchange.consumer.as_ref().map(|entry| &*entry.consumer.username);
        // APISIX's label is the node's address without its port.
        let address = exchange.outcome.upstream_addr.as_deref();
        let node = address.map(|address| address.rsplit_once(':').map_or(address, |(host, _)| host));
        let service_name = route.and_then(|route| route.service_name.as_deref());
        Self {
            route: pick("route", route.map(|route| &*route.id), route.and_then(|route| route.name.as_deref())),
            service: pick("service", route.and_then(|route| route.service_id.as_deref()), service_name),
            consumer: pick("consumer", consumer, consumer),
            node: pick("node", node, node),
            is_websocket: exchange.response.status == StatusCode::SWITCHING_PROTOCOLS,
            disabled,
        }
    }

    /// `route="r1",service="",...` as one of [`METRICS`] shows it.
    pub(super) fn text(&self, metric: usize) -> String {
        let mut text = String::with_capacity(192);
        self.write(&mut text, metric);
        text
    }

    fn write(&self, text: &mut String, metric: usize) {
        let mut pair = |name: &str, value: &str| write_pair(text, name, value, self.disabled.has(metric, name));
        pair("route", &self.route);
        pair("service", &self.service);
        pair("consumer", &self.consumer);
        pair("node", &self.node);
        text.push_str(if self.is_websocket { WEBSOCKET } else { TRADITIONAL });
    }
}

impl Status {
    /// The labels of a finished request.
    pub(super) fn of(exchange: &Exchange, prefer_name: bool, disabled: Disabled) -> Self {
        let route = exchange.route();
        Self {
            code: exchange.response.status.as_u16(),
            matched_uri: route.map(|route| route.uri.clone()).unwrap_or_default(),
            matched_host: route.and_then(|route| route.host.clone()).unwrap_or_default(),
            target: Target::of(exchange, prefer_name, disabled),
            source: Source::of(exchange),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// `code="200",route="r1",...`
    pub(super) fn text(&self) -> String {
        const METRIC: usize = 0;
        let mut text = String::with_capacity(256);
        let disabled = |name: &str| self.target.disabled.has(METRIC, name);
        write_pair(&mut text, "code", &self.code.to_string(), false);
        write_pair(&mut text, "matched_uri", &self.matched_uri, disabled("matched_uri"));
        write_pair(&mut text, "matched_host", &self.matched_host, disabled("matched_host"));
        self.target.write(&mut text, METRIC);
        text.push(',');
        write_pair(&mut text, "response_source", self.source.name(), disabled("response_source"));
        text.pop();
        text
    }
}

fn write_pair(text: &mut String, name: &str, value: &str, is_disabled: bool) {
    let value = if is_disabled { "" } else { value };
    // Writing to a String cannot fail.
    let _ = write!(text, "{name}=\"{}\",", escape(value));
}

/// A label's value as the text format wants it.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn values_are_escaped() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn labels_can_be_disabled_per_metric() {
        let metadata =
            json!({ "disabled_labels": { "http_status": ["node", "matched_uri", "code"], "bandwidth": ["route"] } });
        let disabled = Disabled::of(Some(&metadata));
        let mut exchange = testing::exchange("/", &[]);
        exchange.outcome.upstream_addr = Some("10.0.0.1:80".into());
        let status = Status::of(&exchange, false, disabled);
        assert!(status.text().contains("matched_uri=\"\"") && status.text().contains("node=\"\""));
        assert!(status.text().contains("route=\"r1\"") && status.text().contains("code=\"200\""));
        assert!(status.target().text(1).contains("route=\"r1\",service=\"\",consumer=\"\",node=\"10.0.0.1\""));
        assert!(
            status.target().text(2).contains("route=\"\"") && status.target().text(2).contains("node=\"10.0.0.1\"")
        );
    }

    #[test]
    fn who_made_the_response_is_told() {
        let text = |change: fn(&mut Exchange)| {
            let mut exchange = testing::exchange("/", &[]);
            exchange.response.status = StatusCode::BAD_GATEWAY;
            change(&mut exchange);
            Status::of(&exchange, false, Disabled::default()).text()
        };
        let is_from = |source: &str, text: String| {
            assert!(
                text.starts_with("code=\"502\",") && text.ends_with(&format!(",response_source=\"{source}\"")),
                "{text}"
            );
        };
        is_from("upstream", text(|exchange| exchange.outcome.upstream_addr = Some("10.0.0.1:80".into())));
        is_from("apisix", text(|exchange| exchange.response.local = true));
        is_from(
            "nginx",
            text(|exchange| {
                exchange.response.local = true;
                exchange.outcome.fault = Some("connect");
                exchange.outcome.upstream_addr = Some("10.0.0.1:80".into());
            }),
        );
    }

    #[test]
    fn websockets_stand_apart_from_requests() {
        let mut exchange = testing::exchange("/", &[]);
        exchange.response.status = StatusCode::SWITCHING_PROTOCOLS;
        let status = Status::of(&exchange, false, Disabled::default());
        for text in [status.text(), status.target().text(1), status.target().text(2)] {
            assert!(text.contains("request_type=\"websocket\",request_llm_model"), "{text}");
        }
    }

    #[test]
    fn names_take_the_place_of_ids_where_there_are_any() {
        let mut exchange = testing::exchange("/", &[]);
        let route = plugin_api::RouteInfo {
            id: "r1".into(),
            name: Some("orders".into()),
            service_id: Some("s1".into()),
            ..plugin_api::RouteInfo::default()
        };
        exchange.route = plugin_api::testing::matched(route);
        let text = |prefer_name| Status::of(&exchange, prefer_name, Disabled::default()).text();
        assert!(text(true).contains("route=\"orders\",service=\"s1\""), "{}", text(true));
        assert!(text(false).contains("route=\"r1\",service=\"s1\""));
    }
}
