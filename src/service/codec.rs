//! How the server reads and writes messages: bytes that are no message of the contract are the caller's error,
//! answered with `INVALID_ARGUMENT`; tonic's own codec calls them `INTERNAL`, which would page the operator for
//! what a caller typed.

use std::fmt;
use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The codec of every generated server (`build.rs` names it): `T` goes out, `U` comes in.
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> fmt::Debug for Codec<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Outgoing<T>;
    type Decoder = Incoming<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Outgoing(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Incoming(PhantomData)
    }
}

/// Writes answers.
pub struct Outgoing<T>(PhantomData<T>);

impl<T: Message> Encoder for Outgoing<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|_| Status::internal("the answer does not fit its buffer"))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// Reads requests.
pub struct Incoming<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for Incoming<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buffer).map(Some).map_err(|_| Status::invalid_argument("the message cannot be read"))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
