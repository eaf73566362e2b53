//! `real-ip`: the client's address as a proxy before us tells it.
//!
//! ```json
//! { "source": "http_x_forwarded_for", "trusted_addresses": ["10.0.0.0/8"], "recursive": true }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/real-ip/>

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType, Var};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ip_set::{self, IpSet};

const FORWARDED_FOR: &str = "http_x_forwarded_for";

/// The plugin by name.
pub(crate) struct RealIp;

#[derive(Deserialize)]
struct Conf {
    source: String,
    trusted_addresses: Option<Vec<String>>,
    #[serde(default)]
    recursive: bool,
}

impl PluginType for RealIp {
    fn name(&self) -> &'static str {
        "real-ip"
    }

    fn priority(&self) -> i32 {
        23000
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "trusted_addresses": { "type": "array", "items": ip_set::item_schema(), "minItems": 1 },
                    "source": { "type": "string", "minLength": 1 },
                    "recursive": { "type": "boolean", "default": false },
                },
                "required": ["source"],
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let trusted = conf.trusted_addresses.map(|texts| IpSet::parse(&texts, "/trusted_addresses")).transpose()?;
        let source = if conf.source == FORWARDED_FOR { None } else { Some(Var::parse(&conf.source)) };
        Ok(Arc::new(Compiled { source, trusted, recursive: conf.recursive }))
    }
}

struct Compiled {
    /// `None`: the header X-Forwarded-For, which lists several.
    source: Option<Var>,
    /// `None` trusts every client.
    trusted: Option<IpSet>,
    recursive: bool,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::REWRITE
    }

    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        if self.trusts(exchange.client.remote.ip())
            && let Some((address, port)) = self.address(exchange)
        {
            let port = port.unwrap_or_else(|| exchange.client.remote.port());
            Rc::make_mut(&mut exchange.client).remote = SocketAddr::new(address, port);
        }
        Flow::CONTINUE
    }
}

impl Compiled {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.as_ref().is_none_or(|trusted| trusted.contains(address))
    }

    fn address(&self, exchange: &Exchange) -> Option<(IpAddr, Option<u16>)> {
        match &self.source {
            Some(source) => parse(&source.get(exchange)?),
            None => self.forwarded_for(exchange),
        }
    }

    /// The last address; `recursive` passes over those of trusted proxies.
    fn forwarded_for(&self, exchange: &Exchange) -> Option<(IpAddr, Option<u16>)> {
        let lines: Vec<&str> =
            exchange.headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        let mut addresses = lines.iter().flat_map(|line| line.split(',')).map(str::trim).rev();
        let last = addresses.next()?;
        let (true, Some(trusted)) = (self.recursive, &self.trusted) else { return parse(last) };
        let is_proxy = |text: &&str| parse(text).is_some_and(|(address, _)| trusted.contains(address));
        let mut way = std::iter::once(last).chain(addresses);
        let mut furthest = None;
        for text in way.by_ref() {
            furthest = Some(text);
            if !is_proxy(&text) {
                break;
            }
        }
        parse(furthest?)
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `::1`, `[::1]`, `[::1]:80`
fn parse(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return (socket.port() != 0).then(|| (socket.ip(), Some(socket.port())));
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse().ok().map(|address| (address, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, refusal_of};

    fn seen(conf: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let mut exchange = testing::exchange(target, headers);
        let _ = compile(&RealIp, conf).rewrite(&mut exchange);
        exchange.client.remote.to_string()
    }

    #[test]
    fn the_source_names_the_address_when_the_client_is_trusted() {
        let from_arg = r#"{"source": "arg_ip"}"#;
        let trusting = r#"{"source": "arg_ip", "trusted_addresses": ["192.0.2.0/24", "127.0.0.1"]}"#;
        let strict = r#"{"source": "arg_ip", "trusted_addresses": ["127.0.0.1"]}"#;
        let recursive = r#"{"source": "http_x_forwarded_for", "recursive": true, "trusted_addresses": ["192.0.2.0/24", "10.0.0.0/8"]}"#;
        let last = r#"{"source": "http_x_forwarded_for"}"#;
        let chain = [("x-forwarded-for", "1.1.1.1, 8.8.8.8"), ("x-forwarded-for", "10.0.0.1, 10.0.0.2:99")];
        let cases = [
            (from_arg, "/?ip=1.1.1.1", &[][..], "1.1.1.1:40000"),
            (from_arg, "/?ip=1.1.1.1:8080", &[], "1.1.1.1:8080"),
            (from_arg, "/?ip=[::1]:8080", &[], "[::1]:8080"),
            (from_arg, "/?ip=[::1]", &[], "[::1]:40000"),
            (from_arg, "/?ip=wrong", &[], "192.0.2.7:40000"),
            (from_arg, "/?ip=1.1.1.1:0", &[], "192.0.2.7:40000"),
            (from_arg, "/", &[], "192.0.2.7:40000"),
            (trusting, "/?ip=1.1.1.1", &[], "1.1.1.1:40000"),
            (strict, "/?ip=1.1.1.1", &[], "192.0.2.7:40000"),
            (last, "/", &chain, "10.0.0.2:99"),
            (recursive, "/", &chain, "8.8.8.8:40000"),
            (recursive, "/", &[("x-forwarded-for", "10.0.0.5, 10.0.0.1")], "10.0.0.5:40000"),
        ];
        for (conf, target, headers, expected) in cases {
            assert_eq!(seen(conf, target, headers), expected, "{conf} {target} {headers:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let conf = json!({ "source": "arg_ip", "trusted_addresses": ["127.0.0.1/33"] });
        assert!(!refusal_of(&RealIp, &conf).is_empty());
        assert_eq!(refusal_of(&RealIp, &json!({})), "property \"source\" is required");
    }
}
