//! How messages become bytes and back: prost's way, with small buffers.
//!
//! tonic gives each direction of each stream eight kilobytes at once. What an instance and its control plane say to each
//! other is shorter, most often, and a control plane has a stream for each of its instances; for what is longer the buffers grow.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// A heartbeat, an ack, a small change.
const BUFFER_BYTES: usize = 1024;
/// Above this much HTTP/2 gets what was encoded, though more could be added; tonic's own choice.
const YIELD_BYTES: usize = 32 * 1024;

/// The codec of the channel's calls: encodes `T`, decodes `U`.
#[derive(Debug)]
pub struct SmallBuffers<T, U>(PhantomData<fn(T) -> U>);

impl<T, U> Default for SmallBuffers<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
}

impl<T, U> Codec for SmallBuffers<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(settings())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(settings())
    }
}
