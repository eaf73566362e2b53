//! Choosing a node: sans-io state machines that know nothing of connections. Clock and randomness come with the request.

mod balancer;
mod ewma;
mod health;
mod least_conn;
mod ring;
mod roundrobin;

pub use balancer::{Algorithm, Balancer, Share, Turn};
pub use ewma::Ewma;
pub use health::{Health, Report, Standing, Thresholds};
pub use least_conn::LeastConn;
pub use ring::{Ring, hash};
pub use roundrobin::SmoothWeighted;
