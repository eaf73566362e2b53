//! Generates the channel's messages and services from the `.proto`, without `protoc`.

use std::error::Error;

const PROTO: &str = "flotilla/channel/v1/channel.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    tonic_prost_build::configure()
        // A delta is encoded once; every instance's frame then shares that buffer.
        .bytes(".")
        .codec_path("crate::codec::SmallBuffers")
        .compile_fds(descriptors)?;
    Ok(())
}
