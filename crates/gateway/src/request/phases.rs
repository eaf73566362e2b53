//! Running plugins, phase by phase.

use std::sync::Arc;

use bytes::Bytes;
use plan::{Chain, Entry};
use plugin_api::{Chunk, Condition, Exchange, Flow, Phases, Reply, Verdict};

use super::Stop;
use super::body::RequestBody;
use super::live::Live;

/// One phase of the global rules' plugins.
pub(crate) async fn run_global(live: &mut Live, phase: Phases, body: &mut RequestBody) -> Result<(), Stop> {
    let chain = live.plan.global_chain();
    if !chain.has(phase) {
        return Ok(());
    }
    run_chain(&mut live.exchange, chain, phase, |_| true, body).await
}

/// One phase of the route's plugins.
pub(crate) async fn run(live: &mut Live, phase: Phases, body: &mut RequestBody) -> Result<(), Stop> {
    let Live { exchange, route, merged, .. } = live;
    let chain = merged.as_deref().or_else(|| Some(&*route.as_ref()?.get().chain));
    match chain.filter(|chain| chain.has(phase)) {
        Some(chain) => run_chain(exchange, chain, phase, |_| true, body).await,
        None => Ok(()),
    }
}

/// `rewrite` of what the consumer brought: the route's own have run, and one of them found the consumer.
pub(crate) async fn run_consumer_rewrite(live: &mut Live, body: &mut RequestBody) -> Result<(), Stop> {
    let Live { exchange, route, merged, .. } = live;
    let (Some(merged), Some(route)) = (merged, route) else {
        return Ok(());
    };
    let is_new = |entry: &Entry| !route.get().chain.entries().iter().any(|own| Arc::ptr_eq(&own.plugin, &entry.plugin));
    run_chain(exchange, merged, Phases::REWRITE, is_new, body).await
}

async fn run_chain(
    exchange: &mut Exchange,
    chain: &Chain,
    phase: Phases,
    includes: impl Fn(&Entry) -> bool,
    body: &mut RequestBody,
) -> Result<(), Stop> {
    for entry in chain.entries() {
        if !entry.phases.has(phase) || !includes(entry) {
            continue;
        }
        if entry.reads_fields {
            body.collect_fields(exchange).await?;
        }
        if !takes_part(entry, phase, exchange) {
            continue;
        }
        body.collect(exchange, entry.request_body).await?;
        let verdict = {
            let flow = match phase {
                Phases::REWRITE => entry.plugin.rewrite(exchange),
                Phases::ACCESS => entry.plugin.access(exchange),
                _ => entry.plugin.before_proxy(exchange),
            };
            match flow {
                Flow::Done(verdict) => verdict,
                Flow::Wait(waiting) => waiting.await,
            }
        };
        if let Verdict::Reply(reply) = verdict {
            return Err(Stop::Reply(shape(entry, reply)));
        }
        body.adopt(exchange, entry.request_body);
    }
    Ok(())
}

/// `_meta.error_response` takes the place of a refusal's body, not of an answer's.
fn shape(entry: &Entry, reply: Reply) -> Reply {
    if reply.status.is_client_error() || reply.status.is_server_error() { entry.shape(reply) } else { reply }
}

/// Calls `visit` for each plugin of the request that takes part in a phase after the upstream, global rules first, and those
/// that encode last of all.
pub(crate) fn each(live: &mut Live, phase: Phases, mut visit: impl FnMut(&Entry, &mut Exchange)) {
    let Live { exchange, route, merged, plan, .. } = live;
    let own = merged.as_deref().or_else(|| Some(&*route.as_ref()?.get().chain));
    let chains = [Some(&**plan.global_chain()), own];
    for encodes in [false, true] {
        let wanted = if encodes { phase.and(Phases::ENCODES) } else { phase };
        for chain in chains.into_iter().flatten().filter(|chain| chain.has(wanted)) {
            for entry in chain.entries() {
                if entry.phases.has(Phases::ENCODES) == encodes && takes_part(entry, phase, exchange) {
                    visit(entry, exchange);
                }
            }
        }
    }
}

/// What `body_filter` makes of a piece of the response.
pub(crate) fn filter_body(live: &mut Live, data: Bytes, last: bool) -> Bytes {
    let mut chunk = Chunk { data, last };
    each(live, Phases::BODY_FILTER, |entry, exchange| entry.plugin.body_filter(exchange, &mut chunk));
    chunk.data
}

fn takes_part(entry: &Entry, phase: Phases, exchange: &mut Exchange) -> bool {
    entry.phases.has(phase) && entry.filter.as_ref().is_none_or(|filter| passes(entry, filter, exchange))
}

/// A filter is asked once for each request, as in APISIX: a plugin that has begun a response must not be left out of its rest
/// because what it did there makes the filter say something else.
fn passes(entry: &Entry, filter: &Condition, exchange: &mut Exchange) -> bool {
    let plugin = Arc::as_ptr(&entry.plugin).addr();
    let known = exchange.filtered.iter().find(|(other, _)| *other == plugin);
    if let Some((_, passes)) = known {
        return *passes;
    }
    let passes = filter.holds(exchange);
    exchange.filtered.push((plugin, passes));
    passes
}
