//! The counters of this instance: one table for all routes, which outlives every plan.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::time::Instant;

use foldhash::quality::RandomState;
use limit::{Decision, Rule, Table};
use plugin_api::CompileInput;
use serde_json::Value;

/// Keys counted at once; some 9 MB when that many are.
const KEYS: usize = 256 * 1024;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::with_room_for(KEYS));

/// Counts a request now.
pub(super) fn hit(key: u64, rule: &Rule) -> Decision {
    TABLE.hit(key, rule, now_ms())
}

/// How many windows were given up before their end for want of room.
pub(crate) fn evicted() -> u64 {
    TABLE.evicted()
}

/// Random per process, so that nobody can make keys collide on purpose.
pub(crate) fn hashing() -> &'static RandomState {
    static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    &HASHING
}

/// What counts together: a group, whoever uses it; else this configuration of this owner, so that a change of
/// it begins afresh while a change elsewhere does not.
pub(crate) fn seed(group: Option<&str>, input: &CompileInput<'_>) -> u64 {
    let mut hasher = hashing().build_hasher();
    match group {
        Some(group) => {
            hasher.write_u8(0);
            hasher.write(group.as_bytes());
        }
        None => {
            hasher.write_u8(1);
            hasher.write(input.owner.as_bytes());
            hasher.write_u8(0xff);
            hasher.write(&model::json::canonical(&without_meta(input.conf)));
        }
    }
    hasher.finish()
}

/// Rules of one configuration count apart.
pub(crate) fn seed_of_rule(seed: u64, key: &str) -> u64 {
    let mut hasher = hashing().build_hasher();
    hasher.write_u64(seed);
    hasher.write(key.as_bytes());
    hasher.finish()
}

/// A priority or a filter is no other limit.
pub(super) fn without_meta(conf: &Value) -> Value {
    let mut conf = conf.clone();
    if let Some(fields) = conf.as_object_mut() {
        fields.remove("_meta");
    }
    conf
}

/// Milliseconds since the first look.
pub(crate) fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() as u64
}
