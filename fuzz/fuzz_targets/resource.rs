//! Resources as clients send them: validation, and what is stored validates again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Kind;

const KINDS: [Kind; 10] = [
    Kind::Service,
    Kind::Route,
    Kind::StreamRoute,
    Kind::Upstream,
    Kind::Consumer,
    Kind::Credential,
    Kind::Ssl,
    Kind::GlobalRule,
    Kind::PluginMetadata,
    Kind::PluginConfig,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let Ok(resource) = model::validate::validate(kind, &value) else { return };
    let stored = resource.to_value().expect("what is valid can be written");
    let again = model::validate::validate(kind, &stored).expect("what is stored is valid");
    assert_eq!(again.to_value().ok(), Some(stored), "and stays as it is");
});
