//! A gateway that is asked to stop answers what it has begun, and only then ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::{Process, client, control_plane, directory, gateway, gateway_command_on, get, soon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

const REQUESTS: usize = 16;
const DEADLINE: Duration = Duration::from_secs(30);

/// An upstream that sends the first half of its answer and, once it is let, the second.
async fn halting_upstream(go_on: Arc<Semaphore>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let go_on = go_on.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                while stream.read(&mut head).await.is_ok_and(|length| length > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await?;
                    go_on.acquire().await.expect("open").forget();
                    stream.write_all(b" half").await?;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_have_begun_are_finished() {
    let dir = directory();
    let control = control_plane(&dir.path().join("control"), ("127.0.0.1:0", "127.0.0.1:0"));
    let go_on = Arc::new(Semaphore::new(1));
    control.api.route("default", "/slow", halting_upstream(go_on.clone()).await).await;
    let token = control.api.join_token("default").await;
    let instance = gateway(&dir.path().join("instance"), &control.channel, Some(&token));
    let (address, client) = (instance.http(), client());
    // Each try before the route is there is answered 404 and takes no permit.
    soon(&client, address, "/slow", (200, "first half")).await;

    let mut begun = Vec::new();
    for _ in 0..REQUESTS {
        let mut answer = client.get(format!("http://{address}/slow")).send().await.expect("a head");
        assert_eq!(answer.chunk().await.expect("no error").expect("a piece"), "first");
        begun.push(answer);
    }
    instance.signal(libc::SIGTERM);
    let asked = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(asked.elapsed() < DEADLINE, "it still takes connections");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    go_on.add_permits(REQUESTS);
    for answer in begun {
        assert_eq!(answer.bytes().await.expect("no answer breaks off"), " half");
    }
    assert!(instance.end().success());
}

/// Two instances on one address: clients that open connections all the time notice nothing when one leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_replaced_under_load_without_a_failed_request() {
    let dir = directory();
    let control = control_plane(&dir.path().join("control"), ("127.0.0.1:0", "127.0.0.1:0"));
    control.api.route("default", "/hello", support::upstream("hello").await).await;
    let token = control.api.join_token("default").await;
    let client = client();
    let old = gateway(&dir.path().join("old"), &control.channel, Some(&token));
    let address = old.http();
    soon(&client, address, "/hello", (200, "hello")).await;
    let new = gateway_command_on(&address.to_string(), &dir.path().join("new"), &control.channel, Some(&token));
    let new = Process::start(new);
    assert_eq!(new.http(), address);

    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4).map(|_| tokio::spawn(keep_asking(address, stop.clone()))).collect();
    soon(&client, address, "/hello", (200, "hello")).await;
    assert!(old.stop().success());
    // The new one answers all that comes now.
    for _ in 0..100 {
        soon(&client, address, "/hello", (200, "hello")).await;
    }
    stop.store(true, Ordering::Release);
    for asking in load {
        assert!(asking.await.expect("no request failed") > 20);
    }
    assert!(new.stop().success());
}

/// Asks on a new connection each time; how often it was answered.
async fn keep_asking(address: SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let (mut answered, mut reset) = (0, 0);
    while !stop.load(Ordering::Acquire) {
        match get(&client, address, "/hello").await {
            None => reset += 1,
            answer => assert_eq!(answer, Some((200, "hello".to_owned()))),
        }
        answered += 1;
    }
    assert!(reset <= resets_by_kernel(), "{reset} of {answered} were reset");
    answered
}

/// How many of one client's connections may be lost: between a listener's last look into its queue and its end there is
/// an instant in which the kernel still puts connections into it, unless it hands them to the other listeners.
fn resets_by_kernel() -> usize {
    let migrates = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req");
    if migrates.is_ok_and(|migrates| migrates.trim() == "1") { 0 } else { 1 }
}
