//! Bodies of HTTP requests, read whole within their bound.

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tonic::body::Body;

use crate::service::Error;
use crate::service::call::Call;

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Bounds {
    /// Bytes at most.
    pub(in crate::server) limit: usize,
    /// Bytes up to which it is not counted among the large ones.
    pub(in crate::server) small: usize,
}

/// Reads a body. A large one needs room before it is read on.
pub(super) async fn read(mut body: Body, bounds: Bounds, call: &Call) -> Result<Bytes, Error> {
    let too_large = || Error::MessageTooLarge { limit: bounds.limit };
    if body.size_hint().lower() > u64::try_from(bounds.limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    let mut charged = 0;
    while let Some(frame) = body.frame().await {
        let cut = |_| {
            if call.closing.is_cancelled() {
                Error::ShuttingDown
            } else {
                Error::Malformed("its end did not arrive")
            }
        };
        let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > bounds.limit {
            return Err(too_large());
        }
        if length > bounds.small
            && let Some(held) = &call.held
        {
            held.charge_bytes(length - charged)?;
            charged = length;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::Full;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::AgentId;
    use crate::service::call::{InFlight, MAX_LARGE_BYTES_PER_AGENT};

    const BOUNDS: Bounds = Bounds { limit: MAX_LARGE_BYTES_PER_AGENT / 2 + 1, small: 100 };

    fn call(in_flight: &InFlight) -> Call {
        let agent = AgentId::new(Timestamp::from_micros(0), [1; 16]);
        Call {
            request_id: "req".into(),
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            deadline: None,
            is_retry: false,
            in_flight: in_flight.clone(),
            held: Some(Arc::new(in_flight.admit().unwrap().charge(&agent).unwrap())),
            closing: CancellationToken::new(),
        }
    }

    fn body(length: usize) -> Body {
        Body::new(Full::from(Bytes::from(vec![b'x'; length])))
    }

    #[tokio::test]
    async fn a_body_of_the_limit_is_read_and_one_byte_more_is_refused() {
        let call = call(&InFlight::new(8));
        assert_eq!(read(body(BOUNDS.limit), BOUNDS, &call).await.unwrap().len(), BOUNDS.limit);
        let refused = read(body(BOUNDS.limit + 1), BOUNDS, &call).await.unwrap_err();
        assert!(matches!(refused, Error::MessageTooLarge { .. }), "{refused}");
    }

    #[tokio::test]
    async fn large_bodies_of_one_agent_have_no_room_beside_each_other_without_end() {
        let in_flight = InFlight::new(8);
        let (first, second) = (call(&in_flight), call(&in_flight));
        read(body(BOUNDS.limit), BOUNDS, &first).await.unwrap();
        assert!(read(body(BOUNDS.small), BOUNDS, &second).await.is_ok());
        let refused = read(body(BOUNDS.limit), BOUNDS, &second).await.unwrap_err();
        assert!(matches!(refused, Error::RateLimited { .. }), "{refused}");
    }
}
