//! Instances tell how their nodes are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::{frame, v1};

use crate::control_plane::{FakePlane, Replica, group};
use crate::instance::Instance;
use crate::{raw, wait};

const HOUR: Duration = Duration::from_secs(3600);

/// The host of the only node that was told last.
fn last_host(plane: &Arc<FakePlane>) -> Option<String> {
    let (_, health) = plane.nodes_told().pop()?;
    Some(health.upstreams.first()?.nodes.first()?.host.clone())
}

#[test]
fn what_happens_to_nodes_is_told_and_told_again_on_a_new_stream() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    wait::until_true("the first word", || plane.nodes_told().len() == 1);
    assert_eq!(*plane.nodes_told()[0].1, v1::NodeHealth::default(), "it replaces what was told before");
    for (host, is_turn) in [("turned", true), ("wavers", false), ("back", true)] {
        let before = plane.nodes_told().len();
        instance.told.set(host, is_turn);
        wait::until_true(host, || last_host(&plane).as_deref() == Some(host));
        assert_eq!(plane.nodes_told().len(), before + 1, "once for each change");
    }
    let known = plane.nodes_told().len();
    let _replica = Replica::start_at(&plane, replica.stop());
    wait::until_true("the same again", || plane.nodes_told().len() > known);
    assert_eq!(last_host(&plane).as_deref(), Some("back"));
    let who = plane.nodes_told().pop().unwrap().0;
    assert_eq!((who.group, who.instance), (group("a"), instance.id()), "as its certificate says");
}

/// However often an instance tells, it is written down twice a second at most, and the newest is not lost.
#[test]
fn an_instance_that_tells_all_the_time_is_heard_now_and_then() {
    let (plane, dir) = (FakePlane::new(), tempdir().unwrap());
    let replica = Replica::start(&plane);
    let instance = Instance::start(&replica.url(), Some(&plane.token("a", 1, HOUR)), dir.path());
    instance.wait_for(0);
    instance.stop();
    let (before, started) = (plane.nodes_told().len(), Instant::now());
    let told = |left_out| frame::node_health(v1::NodeHealth { left_out, ..Default::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let own = raw::stolen_from(dir.path());
        let mut client = raw::connect(replica.address, &plane.ca, Some(own)).await.unwrap();
        let (say, said) = mpsc::channel(4);
        say.send(frame::hello(Default::default(), None)).await.unwrap();
        let _stream = client.sync(ReceiverStream::new(said)).await.unwrap();
        for left_out in (1..=200).chain([777]) {
            say.send(told(left_out)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let is_heard = || plane.nodes_told().last().is_some_and(|(_, health)| health.left_out == 777);
        while !is_heard() {
            assert!(started.elapsed() < Duration::from_secs(20), "the newest is lost");
            say.send(frame::heartbeat(None, v1::Counters::default())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let (count, most) = (plane.nodes_told().len() - before, started.elapsed().as_millis() / 500 + 1);
    assert!(count as u128 <= most, "{count} times, {most} at most");
}
