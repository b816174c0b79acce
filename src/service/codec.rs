//! How the server reads and writes messages: bytes that are no message of the contract are the caller's error,
//! answered with `INVALID_ARGUMENT`; tonic's own codec calls them `INTERNAL`, which would page the operator for
//! what a caller typed.

use std::fmt;
use std::marker::PhantomData;

use bytes::Buf;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::status::{Error, unstamped};

mod bulk;

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
    U: Message + Name + Default + Send + 'static,
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
        item.encode(buffer).map_err(|error| unstamped(&Error::internal(error)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// Reads requests.
pub struct Incoming<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for Incoming<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // One message, in one piece: tonic hands over its buffer of contiguous bytes.
        bulk::check(U::NAME, buffer.chunk()).map_err(|error| unstamped(&error))?;
        U::decode(buffer)
            .map(Some)
            .map_err(|_| unstamped(&Error::Malformed("it is no protobuf message of this kind")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes, BytesMut};
    use http_body_util::Full;
    use tonic::codec::Codec as _;
    use tonic::{Code, Streaming};

    use super::*;
    use crate::pb::v1::{EnforceRequest, EnforceResponse, ErrorReason};
    use crate::service::status::reason_of;

    async fn read(message: &[u8]) -> Result<Option<EnforceRequest>, Status> {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).unwrap());
        frame.put_slice(message);
        let decoder = Codec::<EnforceResponse, EnforceRequest>::default().decoder();
        Streaming::new_request(decoder, Full::new(Bytes::from(frame)), None, None).message().await
    }

    #[tokio::test]
    async fn a_message_reads_back() {
        let sent = EnforceRequest { action: "read_file".into(), ..Default::default() };
        assert_eq!(read(&sent.encode_to_vec()).await.unwrap(), Some(sent));
    }

    #[tokio::test]
    async fn garbage_and_bad_utf8_are_the_callers_error() {
        // A field cut short; `action` that is not UTF-8; no tag at all.
        for bytes in [&b"\x0a\xff"[..], b"\x0a\x02\xff\xfe", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            let status = read(bytes).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{bytes:?}");
            let headers = status.into_http::<()>().into_parts().0.headers;
            assert_eq!(reason_of(&headers), Some(ErrorReason::MalformedMessage));
        }
    }
}
