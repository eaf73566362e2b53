//! `traffic-split`: shares of the traffic for other upstreams.
//!
//! ```json
//! { "rules": [{ "match": [{ "vars": [["http_release", "==", "new"]] }],
//!               "weighted_upstreams": [{ "upstream_id": "canary", "weight": 1 }, { "weight": 9 }] }] }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/traffic-split/>

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use model::Fault;
use model::resource::Upstream;
use plugin_api::schema::with_meta;
use plugin_api::{
    ChosenUpstream, CompileInput, Condition, Exchange, Flow, Phases, Plugin, PluginType, UpstreamCompiler,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest cycle that is laid out; longer ones are made coarser.
const LONGEST_CYCLE: u64 = 10_000;

/// The plugin by name.
pub(crate) struct TrafficSplit;

#[derive(Deserialize)]
struct Conf {
    #[serde(default)]
    rules: Vec<RuleConf>,
}

#[derive(Deserialize)]
struct RuleConf {
    #[serde(default, rename = "match")]
    matches: Vec<MatchConf>,
    #[serde(default = "own_upstream")]
    weighted_upstreams: Vec<ShareConf>,
}

#[derive(Deserialize)]
struct MatchConf {
    #[serde(default)]
    vars: Option<Value>,
}

#[derive(Deserialize)]
struct ShareConf {
    upstream_id: Option<Value>,
    upstream: Option<Value>,
    #[serde(default = "one")]
    weight: u64,
}

fn one() -> u64 {
    1
}

fn own_upstream() -> Vec<ShareConf> {
    vec![ShareConf { upstream_id: None, upstream: None, weight: 1 }]
}

impl PluginType for TrafficSplit {
    fn name(&self) -> &'static str {
        "traffic-split"
    }

    fn priority(&self) -> i32 {
        966
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            let share = json!({
                "type": "object",
                "properties": {
                    "upstream_id": { "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer", "minimum": 1 }] },
                    "upstream": { "type": "object" },
                    "weight": {
                        "description": "used to split traffic between different upstreams for plugin configuration",
                        "type": "integer", "default": 1, "minimum": 0,
                    },
                },
            });
            let matches = json!({
                "type": "array",
                "items": { "type": "object", "properties": { "vars": { "type": "array" } } },
            });
            let mut schema = with_meta(json!({
                "type": "object",
                "properties": {
                    "rules": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "match": matches,
                                "weighted_upstreams": {
                                    "type": "array", "items": share, "default": [{ "weight": 1 }],
                                    "minItems": 1, "maxItems": 20,
                                },
                            },
                            "additionalProperties": false,
                        },
                    },
                },
            }));
            schema["additionalProperties"] = false.into();
            schema
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let rule = |(at, rule): (usize, RuleConf)| {
            Rule::new(rule, input.upstreams).map_err(|fault| fault.under(&format!("/rules/{at}")))
        };
        let rules = conf.rules.into_iter().enumerate().map(rule).collect::<Result<_, _>>()?;
        Ok(Arc::new(Compiled { rules }))
    }
}

struct Compiled {
    rules: Vec<Rule>,
}

struct Rule {
    /// Any of them; none asks nothing.
    any_of: Vec<Condition>,
    /// Where each share goes; `None`: the route's own upstream.
    shares: Vec<Option<ChosenUpstream>>,
    /// One cycle of positions in `shares`, spread evenly.
    cycle: Box<[u8]>,
    turn: AtomicUsize,
}

impl Rule {
    fn new(conf: RuleConf, upstreams: &dyn UpstreamCompiler) -> Result<Self, Fault> {
        let conditions = conf.matches.iter().enumerate().map(|(at, one)| condition(at, one));
        let weights: Vec<u64> = conf.weighted_upstreams.iter().map(|share| share.weight).collect();
        let shares = conf.weighted_upstreams.into_iter().enumerate().map(|(at, share)| {
            target(share, upstreams).map_err(|fault| fault.under(&format!("/weighted_upstreams/{at}")))
        });
        Ok(Self {
            any_of: conditions.collect::<Result<_, _>>()?,
            shares: shares.collect::<Result<_, _>>()?,
            cycle: cycle(&weights).into(),
            turn: AtomicUsize::new(0),
        })
    }

    fn matches(&self, exchange: &Exchange) -> bool {
        self.any_of.is_empty() || self.any_of.iter().any(|condition| condition.holds(exchange))
    }

    /// The next turn of all workers together.
    fn next(&self) -> Option<&ChosenUpstream> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = self.cycle.get(turn % self.cycle.len().max(1))?;
        self.shares.get(usize::from(*at))?.as_ref()
    }
}

fn condition(at: usize, conf: &MatchConf) -> Result<Condition, Fault> {
    Condition::compile(conf.vars.as_ref().unwrap_or(&json!([])))
        .map_err(|fault| crate::in_expression("vars", Fault::new("", fault.message)).under(&format!("/match/{at}")))
}

fn target(share: ShareConf, upstreams: &dyn UpstreamCompiler) -> Result<Option<ChosenUpstream>, Fault> {
    match (share.upstream_id, share.upstream) {
        (Some(Value::String(id)), _) => Ok(Some(ChosenUpstream::Id(id.into()))),
        (Some(id), _) => Ok(Some(ChosenUpstream::Id(id.to_string().into()))),
        (None, Some(upstream)) => {
            let checked = model::validate::validate(model::Kind::Upstream, &upstream).map_err(first)?;
            let model::Resource::Upstream(upstream) = checked else {
                return Err(Fault::new("/upstream", "must be an upstream"));
            };
            compiled(&upstream, upstreams).map(Some)
        }
        (None, None) => Ok(None),
    }
}

fn compiled(upstream: &Upstream, upstreams: &dyn UpstreamCompiler) -> Result<ChosenUpstream, Fault> {
    upstreams.compile(upstream).map(ChosenUpstream::Inline).map_err(|fault| fault.under("/upstream"))
}

fn first(faults: model::Faults) -> Fault {
    let fault = faults.0.into_iter().next().unwrap_or_else(|| Fault::new("", "must be an upstream"));
    fault.under("/upstream")
}

/// Positions by weight, spread evenly: 3 and 1 give 0 0 1 0. Nothing when all weigh nothing.
fn cycle(weights: &[u64]) -> Vec<u8> {
    let divisor = weights.iter().copied().fold(0, common_divisor).max(1);
    let total: u64 = weights.iter().map(|weight| weight / divisor).sum();
    let coarser = total.div_ceil(LONGEST_CYCLE).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| (weight / divisor / coarser) as i64).collect();
    let total: i64 = weights.iter().sum();
    let mut current = vec![0i64; weights.len()];
    let mut next = |_| {
        for (current, weight) in current.iter_mut().zip(&weights) {
            *current += weight;
        }
        let (at, richest) = current.iter_mut().enumerate().rev().max_by_key(|(_, current)| **current)?;
        *richest -= total;
        u8::try_from(at).ok()
    };
    (0..total).filter_map(&mut next).collect()
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }

    /// The first rule that matches decides.
    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(exchange))
            && let Some(chosen) = rule.next()
        {
            exchange.target.upstream = Some(chosen.clone());
        }
        Flow::CONTINUE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, refusal_of};

    /// How often each upstream is chosen in so many requests: ids, `own` and `inline`.
    fn chosen(conf: &Value, headers: &[(&str, &str)], requests: usize) -> Vec<(String, usize)> {
        let plugin = compile(&TrafficSplit, &conf.to_string());
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..requests {
            let mut exchange = testing::exchange("/", headers);
            let _ = plugin.access(&mut exchange);
            let name = match exchange.target.upstream {
                Some(ChosenUpstream::Id(id)) => id.into_string(),
                Some(ChosenUpstream::Inline(_)) => "inline".to_owned(),
                None => "own".to_owned(),
            };
            *counts.entry(name).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    #[test]
    fn shares_are_exact_over_a_cycle() {
        let upstream = json!({ "nodes": { "127.0.0.1:1981": 1 } });
        let conf = json!({ "rules": [{ "weighted_upstreams": [
            { "upstream_id": "canary", "weight": 2 }, { "upstream": upstream, "weight": 3 }, { "weight": 5 },
        ] }] });
        let counted = [("canary".to_owned(), 20), ("inline".to_owned(), 30), ("own".to_owned(), 50)];
        assert_eq!(chosen(&conf, &[], 100), counted);
        let numbered = json!({ "rules": [{ "weighted_upstreams": [{ "upstream_id": 7 }] }] });
        assert_eq!(chosen(&numbered, &[], 3), [("7".to_owned(), 3)]);
        assert_eq!(chosen(&json!({ "rules": [{}] }), &[], 3), [("own".to_owned(), 3)]);
        assert_eq!(chosen(&json!({}), &[], 3), [("own".to_owned(), 3)]);
        let nothing = json!({ "rules": [{ "weighted_upstreams": [{ "upstream_id": "a", "weight": 0 }] }] });
        assert_eq!(chosen(&nothing, &[], 3), [("own".to_owned(), 3)]);
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rule = |value: &str, id: &str| {
            json!({ "match": [{ "vars": [["http_release", "==", value]] }, { "vars": [["arg_x", "==", "1"]] }],
                    "weighted_upstreams": [{ "upstream_id": id }] })
        };
        let conf = json!({ "rules": [rule("new", "green"), rule("old", "blue")] });
        assert_eq!(chosen(&conf, &[("release", "new")], 1), [("green".to_owned(), 1)]);
        assert_eq!(chosen(&conf, &[("release", "old")], 1), [("blue".to_owned(), 1)]);
        assert_eq!(chosen(&conf, &[], 1), [("own".to_owned(), 1)]);
    }

    #[test]
    fn cycles_are_spread_and_bounded() {
        assert_eq!(cycle(&[3, 1]), [0, 0, 1, 0]);
        assert_eq!(cycle(&[50, 50]), [0, 1]);
        assert_eq!(cycle(&[0, 0]), Vec::<u8>::new());
        assert!(cycle(&[u64::from(u32::MAX), 7]).len() <= LONGEST_CYCLE as usize);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let vars = json!({ "rules": [{ "match": [{ "vars": [["a", "???", 1]] }] }] });
        assert!(refusal_of(&TrafficSplit, &vars).starts_with("failed to validate the 'vars' expression"));
        let upstream = json!({ "rules": [{ "weighted_upstreams": [{ "upstream": { "nodes": 5 } }] }] });
        assert!(!refusal_of(&TrafficSplit, &upstream).is_empty());
        assert_eq!(refusal_of(&TrafficSplit, &json!({ "x": 1 })), "additional properties forbidden, found x");
        let in_rule =
            "property \"rules\" validation failed: failed to validate item 1: additional properties forbidden, found x";
        assert_eq!(refusal_of(&TrafficSplit, &json!({ "rules": [{ "x": 1 }] })), in_rule);
    }
}
