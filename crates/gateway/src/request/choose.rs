//! Which node a request goes to next, and over which connections.

use std::rc::Rc;
use std::sync::Arc;

use plan::CompiledNode;
use smallvec::SmallVec;

use super::live::Live;
use crate::upstream::{Pool, Reach, Way};
use crate::worker::local::LocalUpstream;

/// The nodes that a request has been to.
#[derive(Default)]
pub(super) struct Tried {
    /// Those not to choose again: it was sent there, or they have no address.
    pub(super) nodes: SmallVec<[usize; 4]>,
    pub(super) tries: usize,
    pub(super) last: Option<usize>,
}

impl Tried {
    fn push(&mut self, node: usize) {
        self.nodes.push(node);
        self.tries += 1;
        self.last = Some(node);
    }

    /// Whether that is news.
    fn leave_out(&mut self, node: usize) -> bool {
        let is_new = !self.nodes.contains(&node);
        if is_new {
            self.nodes.push(node);
        }
        is_new
    }
}

/// Where to go.
pub(super) struct Chosen<'u> {
    pub(super) at: usize,
    pub(super) node: &'u CompiledNode,
    /// Where it is: `host:port`, of a node that is named the address that its name has now.
    pub(super) address: Arc<str>,
    pub(super) pool: Rc<Pool>,
}

/// The next node, `None` when there is none left. As in APISIX a node whose name has no address is left out, as if it were
/// not there.
pub(super) async fn next<'u>(live: &Live, upstream: &'u LocalUpstream, tried: &mut Tried) -> Option<Chosen<'u>> {
    loop {
        let at = upstream.choose(&tried.nodes, &live.exchange)?;
        let node = upstream.compiled.nodes.get(at)?;
        let named = match upstream.reach(at)? {
            Reach::Fixed(Way { address, pool }) => {
                tried.push(at);
                return Some(Chosen { at, node, address: address.clone(), pool: pool.clone() });
            }
            Reach::Named(named) => named,
        };
        match named.next(|target, limits| live.worker.pool(target, limits)).await {
            Ok(way) => {
                tried.push(at);
                return Some(Chosen { at, node, address: way.address, pool: way.pool });
            }
            Err(unresolved) => {
                tracing::warn!(upstream = %upstream.compiled.owner, %unresolved, "a node is left out");
                if !tried.leave_out(at) {
                    return None;
                }
            }
        }
    }
}
