use std::time::{Duration, Instant};

use super::*;
use crate::upstream::Upstream;

fn run(pace: Pace, request: Request, answers: u64) -> Outcome {
    let upstream = Upstream::start().unwrap();
    let load = Load::start(Target { address: upstream.address, tls: None, request }, pace).unwrap();
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
    let target = Target { address: free, tls: None, request: Request::get("/", &[]) };
    let mut generator = Generator::new(target, Pace { connections: 1, rate: None }, Arc::default()).unwrap();
    generator.open_missing();
    assert_eq!(generator.outcome.errors, 1);
    assert!(generator.outcome.first_fault.is_some());
}

#[test]
fn a_chosen_route_is_written_into_the_path() {
    let mut request = Request::any_route(1000);
    request.choose_route(4_000_123);
    let text = String::from_utf8(request.bytes).unwrap();
    assert!(text.starts_with("GET /api/v1/r/000123 HTTP/1.1\r\n"), "{text}");
}
