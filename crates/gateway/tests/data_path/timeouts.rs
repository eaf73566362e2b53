//! Which of the times holds that an upstream and a route give.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::support::{Echo, Gateway, Script, get, one_then, put};

/// A node whose kernel answers no further connection: its queue is full.
struct Crowded {
    socket: Socket,
    _waiting: Vec<Socket>,
}

impl Crowded {
    fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("an address");
        socket.listen(0).expect("it listens");
        let address = socket.local_addr().expect("an address");
        let wait = || {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let joined = client.connect_timeout(&address, Duration::from_millis(100)).is_ok();
            (client, joined)
        };
        let waiting = std::iter::repeat_with(wait).take_while(|(_, joined)| *joined).map(|(client, _)| client);
        Self { _waiting: waiting.take(100).collect(), socket }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address")
    }
}

fn times(connect: f64, read: f64) -> Value {
    json!({ "connect": connect, "send": 60, "read": read })
}

#[tokio::test]
async fn a_node_that_does_not_connect_is_504_after_the_connect_timeout_or_the_next_is_asked() {
    let crowded = tokio::task::spawn_blocking(Crowded::start).await.expect("a node");
    let echo = Echo::start().await;
    let upstream = |nodes: Value| json!({ "nodes": nodes, "timeout": times(0.3, 60.0) });
    let both = one_then(crowded.address(), echo.address);
    let gateway = Gateway::start(vec![
        put("route/one", json!({ "uri": "/one", "upstream": upstream(json!({ crowded.address().to_string(): 1 })) })),
        put("route/two", json!({ "uri": "/two", "upstream": upstream(both) })),
    ]);
    for (path, status) in [("/one", 504), ("/two", 200)] {
        let asked = Instant::now();
        assert_eq!(get(gateway.http, path).await.status, status, "{path}");
        let took = asked.elapsed();
        assert!((Duration::from_millis(300)..Duration::from_secs(3)).contains(&took), "{path}: {took:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_routes_own_times_stand_above_the_upstreams() {
    let silent = Script::start(|_, mut exchange| async move { exchange.closed().await }).await;
    let route = |uri: &str, own: Option<Value>, upstream: Value| {
        let mut route = json!({ "uri": uri, "upstream": { "nodes": silent.nodes(), "timeout": upstream } });
        if let Some(own) = own {
            route["timeout"] = own;
        }
        route
    };
    let gateway = Gateway::start(vec![
        put("route/own", route("/own", Some(times(5.0, 0.2)), times(5.0, 60.0))),
        put("route/longer", route("/longer", Some(times(5.0, 0.8)), times(5.0, 0.1))),
        put("route/none", route("/none", None, times(5.0, 0.2))),
    ]);
    for (path, least) in [("/own", 200), ("/longer", 800), ("/none", 200)] {
        let asked = Instant::now();
        assert_eq!(get(gateway.http, path).await.status, 504, "{path}");
        let took = asked.elapsed();
        assert!((Duration::from_millis(least)..Duration::from_secs(4)).contains(&took), "{path}: {took:?}");
    }
    gateway.stop().await;
}
