//! Replies of a Redis server to limit-count: whatever they are, a request passes or is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, bool, &[u8])| {
    let (limit, is_sliding, bytes) = input;
    if let Some((allowed, remaining, _)) = plugins::fuzzing::redis_reply(bytes, limit, is_sliding) {
        assert!(remaining <= limit);
        assert!(allowed || remaining == 0, "who is refused has none left");
    }
});
