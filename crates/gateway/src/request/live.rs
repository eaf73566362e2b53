//! A request under way, with everything it holds on to. Dropping it is the end of the request.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request};
use hyper::body::Incoming;
use plan::{Chain, Closed, CompiledRoute, Params, Plan};
use plugin_api::exchange::{Outcome, ResponseHead};
use plugin_api::{BodyNeed, Exchange, Kept, Phases, RouteInfo, Target};
use smallvec::SmallVec;
use yoke::Yoke;

use super::log;
use super::upgrade::Extended;
use crate::fault::Fault;
use crate::upstream::Lease;
use crate::worker::connection::Connection;
use crate::worker::local::{InFlight, Local};
use crate::worker::wheel;

/// A route that was found, and its facts with the path pattern that matched.
type Found = Yoke<(&'static CompiledRoute, &'static Arc<RouteInfo>), Rc<Plan>>;

/// A request under way.
pub(crate) struct Live {
    pub(crate) exchange: Exchange,
    pub(crate) worker: Rc<Local>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) plan: Rc<Plan>,
    pub(crate) route: Option<Yoke<&'static CompiledRoute, Rc<Plan>>>,
    /// The route's chain with the consumer's over it, when the consumer brings plugins.
    pub(crate) merged: Option<Rc<Chain>>,
    /// The connection that the response comes in on.
    pub(crate) lease: Option<Lease>,
    /// The protocol to switch to, when the client asks for one and the route allows it.
    pub(crate) upgrade: Option<Box<HeaderValue>>,
    /// The client's stream of HTTP/2, when it asks for another protocol on it.
    pub(crate) extended: Option<Box<Extended>>,
    /// The request as its upstream's algorithm counts it.
    pub(crate) in_flight: Option<InFlight>,
    /// How long the upstream that was chosen may be silent.
    pub(crate) read_timeout: Duration,
    /// Whether a response's head has been made.
    pub(crate) answered: bool,
}

impl Live {
    /// Takes a request's head in.
    pub(crate) fn open(
        worker: Rc<Local>,
        connection: Rc<Connection>,
        plan: Rc<Plan>,
        mut request: Request<Incoming>,
    ) -> (Box<Self>, Incoming) {
        worker.counters.request_begins();
        let extended = Extended::take(&mut request);
        let (head, body) = request.into_parts();
        let bytes_received = log::head_bytes(&head.headers) + head.uri.path().len() as u64;
        let exchange = Exchange {
            method: head.method,
            uri: head.uri,
            version: head.version,
            headers: head.headers,
            normalised_path: None,
            host: SmallVec::new(),
            client: connection.facts.client.clone(),
            started: Instant::now(),
            request_id: OnceCell::new(),
            route: None,
            params: SmallVec::new(),
            consumer: None,
            consumers: plan.clone(),
            request_body: None,
            request_body_limit: None,
            streams_request_body: false,
            target: Target::default(),
            early_headers: Vec::new(),
            response: ResponseHead::default(),
            outcome: Outcome { bytes_received, ..Outcome::default() },
            notes: Vec::new(),
            kept: Kept::default(),
            filtered: Vec::new(),
        };
        (
            Box::new(Self {
                exchange,
                worker,
                connection,
                plan,
                route: None,
                merged: None,
                lease: None,
                upgrade: None,
                extended,
                in_flight: None,
                read_timeout: Duration::ZERO,
                answered: false,
            }),
            body,
        )
    }

    /// Finds the route; whether there is one.
    pub(crate) fn find_route(&mut self) -> bool {
        let mut params = Params::new();
        let found = Found::try_attach_to_cart(self.plan.clone(), |plan| {
            let found = plan.route(&self.exchange).ok_or(())?;
            params = found.params;
            Ok::<_, ()>((&**found.route, found.info))
        });
        let Ok(found) = found else { return false };
        self.exchange.params = params;
        self.exchange.route = Some(found.map_project_cloned(|found, _| found.1).erase_rc_cart());
        self.route = Some(found.map_project(|(route, _), _| route));
        true
    }

    /// The route, once it is found.
    pub(crate) fn route(&self) -> Option<&CompiledRoute> {
        self.route.as_ref().map(|route| *route.get())
    }

    /// Refuses what finds a route that cannot be served.
    pub(crate) fn refuse_closed(&self) -> Result<(), Fault> {
        match self.route().and_then(|route| route.closed) {
            None => Ok(()),
            Some(Closed::Faulty) => Err(Fault::Closed),
            // As APISIX answers it.
            Some(Closed::ServiceGone) => Err(Fault::RouteNotFound),
        }
    }

    /// The chain of the route, with the consumer's plugins once they are known.
    pub(crate) fn chain(&self) -> Option<&Chain> {
        self.merged.as_deref().or_else(|| Some(&*self.route()?.chain))
    }

    /// Lays the consumer's plugins over the route's; whether there are any.
    pub(crate) fn merge_consumer(&mut self) -> bool {
        let Some(consumer) = self.exchange.consumer.as_ref().filter(|entry| entry.consumer.has_plugins) else {
            return false;
        };
        let compiled = self.plan.consumer(&consumer.consumer.username);
        let (Some(compiled), Some(route)) = (compiled, self.route()) else {
            return false;
        };
        self.merged = Some(self.worker.merged_chain(&route.chain, compiled));
        true
    }

    /// Whether any plugin of the request takes part in this phase.
    pub(crate) fn has_phase(&self, phase: Phases) -> bool {
        self.plan.global_chain().has(phase) || self.chain().is_some_and(|chain| chain.has(phase))
    }

    /// The response has been read to its end: its connection may carry another.
    pub(crate) fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(wheel::turned());
        }
    }

    /// How the plugins known so far need the request's body.
    pub(crate) fn request_body_need(&self) -> BodyNeed {
        let own = self.chain().map(Chain::request_body).unwrap_or_default();
        self.plan.global_chain().request_body().and(own)
    }

    /// Whether any of them names variables of it.
    pub(crate) fn reads_fields(&self) -> bool {
        self.plan.global_chain().reads_fields() || self.chain().is_some_and(Chain::reads_fields)
    }

    /// How they need the response's.
    pub(crate) fn response_body_need(&self) -> BodyNeed {
        let own = self.chain().map(Chain::response_body).unwrap_or_default();
        self.plan.global_chain().response_body().and(own)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        log::finish(self);
        self.connection.finish(&self.worker);
    }
}
