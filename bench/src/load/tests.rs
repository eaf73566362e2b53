use std::time::{Duration, Instant};

use super::*;
use crate::upstream::Upstream;

fn run(pace: Pace, request: Request, answers: u64) -> Outcome {
    let upstream = Upstream::start().unwrap();
    let load = Load::start(Target::http(upstream.address, request), pace).unwrap();
    load.measure();
    let deadline = Instant::now() + Duration::from_secs(10);
    while load.answers() < answers {
        assert!(Instant::now() < deadline, "only {} answers", load.answers());
        std::thread::yield_now();
    }
    load.stop().unwrap()
}

#[test]
fn a_closed_loop_counts_right_answers_and_their_latencies() {
    let outcome = run(Pace { connections: 4, rate: None }, Request::get("/", &[]), 500);
    assert_eq!((outcome.wrong, outcome.errors), (0, 0), "{:?}", outcome.first_fault);
    assert!(outcome.right >= 400 && outcome.latencies.quantile_us(0.5) > 0.0);
}

#[test]
fn a_paced_load_sends_no_more_than_its_rate() {
    let begun = Instant::now();
    let outcome = run(Pace { connections: 4, rate: Some(1000) }, Request::any_route(10), 100);
    assert!(begun.elapsed() >= Duration::from_millis(90));
    assert_eq!(outcome.errors, 0);
}

#[test]
fn a_refused_connection_is_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target::http(free, Request::get("/", &[]));
    let mut generator = Generator::new(target.clone(), Pace { connections: 1, rate: None }, Arc::default()).unwrap();
    generator.open_missing();
    assert_eq!(generator.tally.outcome.errors, 1);
    assert!(generator.tally.outcome.first_fault.is_some());
    assert!(target.probe().is_err());
}

#[test]
fn a_probe_says_what_is_wrong_with_an_answer() {
    let upstream = Upstream::start().unwrap();
    let request = Request::get("/", &[]);
    Target::http(upstream.address, request.clone()).probe().unwrap();
    let right = Right { status: 200, body: Arc::from(&b"other"[..]) };
    let fault = Target::http(upstream.address, request.expecting(right)).probe().unwrap_err().to_string();
    assert!(fault.contains("A small, fixed answer"), "{fault}");
}

#[test]
fn a_load_changes_to_the_other_request_and_checks_its_answer() {
    let upstream = Upstream::start().unwrap();
    let right = Right { status: 200, body: Arc::from(&b"other"[..]) };
    let other = Some(Request::get("/other", &[]).expecting(right));
    let target = Target { other, ..Target::http(upstream.address, Request::get("/", &[])) };
    let load = Load::start(target, Pace { connections: 2, rate: None }).unwrap();
    load.choose(Which::Other);
    load.measure();
    let before = load.answers();
    while load.answers() < before + 100 {
        std::thread::yield_now();
    }
    // The upstream gives one answer to everything, which is not right for the other request.
    assert!(load.stop().unwrap().wrong >= 90);
}

#[test]
fn messages_come_back_from_the_echo() {
    let upstream = Upstream::start_echo().unwrap();
    let target = Target { protocol: Protocol::WebSocket, ..Target::http(upstream.address, Request::get("/", &[])) };
    expect_answers(target, 300);
}

#[test]
fn calls_are_answered_by_the_grpc_upstream() {
    let upstream = Upstream::start_grpc().unwrap();
    let target = Target { protocol: Protocol::Grpc, ..Target::http(upstream.address, Request::get("/", &[])) };
    expect_answers(target.clone(), 300);
    // As a plain HTTP/2 answer it is not the one expected.
    assert!(Target { protocol: Protocol::Http2, ..target }.probe().is_err());
}

fn expect_answers(target: Target, answers: u64) {
    let load = Load::start(target, Pace { connections: 8, rate: None }).unwrap();
    load.measure();
    let deadline = Instant::now() + Duration::from_secs(10);
    while load.answers() < answers {
        assert!(Instant::now() < deadline, "only {} answers", load.answers());
        std::thread::yield_now();
    }
    let outcome = load.stop().unwrap();
    assert_eq!((outcome.wrong, outcome.errors), (0, 0), "{:?}", outcome.first_fault);
    assert!(outcome.right > 0 && outcome.latencies.quantile_us(0.5) > 0.0);
}
