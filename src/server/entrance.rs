//! What one listener opens, and whom it believes about where a call comes from.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use super::route::{Page, Route};
use super::tls::Tls;
use crate::config::Network;

/// Headers of proxies.
const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// One listener's rules. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    /// What it opens.
    pub(super) opens: Opens,
    /// Where TLS ends here.
    pub(super) tls: Option<Tls>,
    /// The proxies that are believed; nobody is where this is `None`.
    pub(super) proxies: Option<Arc<[Network]>>,
    /// Whether a call must have come to the proxy by TLS.
    pub(super) wants_https: bool,
}

/// What a listener opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// Everything.
    All,
    /// Everything but the admins' service, which has a listener of its own.
    AllButAdmin,
    /// The admins' service, with health and reflection, which their tools ask for.
    Admin,
    /// Health.
    Health,
    /// Metrics, and health.
    Metrics,
}

impl Opens {
    /// Whether `route` is there.
    pub(super) const fn includes(self, route: Route) -> bool {
        match (self, route) {
            (_, Route::Health | Route::Http(Page::Health | Page::Live | Page::Ready)) => true,
            // A configured path: `Measured` says where it is shown.
            (_, Route::Http(Page::Metrics)) => false,
            (Self::All, _) => true,
            (Self::AllButAdmin, route) => !matches!(route, Route::Admin),
            (Self::Admin, Route::Admin | Route::Reflection | Route::ReflectionAlpha) => true,
            (Self::Admin, Route::Enforcement | Route::Http(Page::Enforce)) => false,
            (
                Self::Health | Self::Metrics,
                Route::Enforcement
                | Route::Admin
                | Route::Reflection
                | Route::ReflectionAlpha
                | Route::Http(Page::Enforce),
            ) => false,
        }
    }
}

impl Entrance {
    /// Whether `address` is a proxy that is believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().flat_map(|networks| networks.iter()).any(|network| network.contains(address))
    }

    /// Whose call it is: the last address on its way that is none of the proxies'. `peer` is the connection's.
    ///
    /// Every proxy appends whom it was called by, so that what stands before is only what that caller says; where what
    /// a trusted proxy appended is no address, the proxy itself is the nearest that is known.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(peer) {
            return client;
        }
        // The header may come more than once; later ones were appended later.
        let values: Vec<&http::HeaderValue> = headers.get_all(FORWARDED_FOR).iter().collect();
        for value in values.into_iter().rev() {
            let Ok(text) = value.to_str() else { return client };
            for part in text.rsplit(',') {
                let Some(address) = forwarded(part) else { return client };
                client = address;
                if !self.trusts(address) {
                    return client;
                }
            }
        }
        client
    }

    /// Whether a call may pass: it need not come by TLS, or a trusted proxy says that it did.
    pub(super) fn is_secure_enough(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        if !self.wants_https {
            return true;
        }
        let mut values = headers.get_all(FORWARDED_PROTO).iter().peekable();
        // More than one word is one for each hop, and none of them may have been in the clear.
        self.trusts(peer)
            && values.peek().is_some()
            && values.all(|value| {
                value.to_str().is_ok_and(|text| {
                    text.split(',').all(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
                })
            })
    }

    /// Whether clients reach it by HTTPS, so that browsers may be told to stay with that.
    pub(super) const fn is_https(&self) -> bool {
        self.tls.is_some() || self.wants_https
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn forwarded(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let address = match bare {
        Some(address) => address,
        // One colon stands before a port, more are an IPv6 address.
        None if text.matches(':').count() == 1 => text.split_once(':').map_or(text, |(address, _)| address),
        None => text,
    };
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn entrance(proxies: Option<&[&str]>, wants_https: bool) -> Entrance {
        let proxies = proxies.map(|list| list.iter().map(|text| Network::parse(text).unwrap()).collect());
        Entrance { opens: Opens::All, tls: None, proxies, wants_https }
    }

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        let trusting = entrance(Some(&["10.0.0.0/8", "2001:db8::/32"]), false);
        let client = |peer: &str, values: &[&str]| {
            trusting.client(peer.parse().unwrap(), &headers(FORWARDED_FOR, values)).to_string()
        };
        // Nobody's word counts but a proxy's.
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        // What the client wrote itself stands before what the proxy appended.
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "203.0.113.9", "10.0.0.2,10.0.0.3"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["10.0.0.7,10.0.0.2"]), "10.0.0.7");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        // Other ways to write one; and what is none ends the search at what is known.
        assert_eq!(client("::ffff:10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["[2001:db9::1]:4711"]), "2001:db9::1");
        assert_eq!(client("2001:db8::7", &["2001:db9::1"]), "2001:db9::1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["203.0.113.9,"]), "10.0.0.1");

        let off = entrance(None, false);
        let given = headers(FORWARDED_FOR, &["203.0.113.9"]);
        assert_eq!(off.client("10.0.0.1".parse().unwrap(), &given).to_string(), "10.0.0.1");
    }

    #[test]
    fn a_call_must_have_come_by_https_all_the_way() {
        let behind = entrance(Some(&["10.0.0.0/8"]), true);
        let passes = |peer: &str, values: &[&str]| {
            behind.is_secure_enough(peer.parse().unwrap(), &headers(FORWARDED_PROTO, values))
        };
        assert!(passes("10.0.0.1", &["https"]) && passes("10.0.0.1", &["HTTPS", "https, https"]));
        for plain in [&["http"][..], &[], &["https, http"], &["https", "http"], &[""], &["https,"], &["wss"]]
        {
            assert!(!passes("10.0.0.1", plain), "{plain:?}");
        }
        assert!(!passes("192.0.2.1", &["https"]), "whoever is no proxy can say nothing about it");
        let open = entrance(None, false);
        assert!(open.is_secure_enough("192.0.2.1".parse().unwrap(), &HeaderMap::new()));
    }

    #[test]
    fn each_listener_opens_its_own_and_all_open_health() {
        let routes = [
            (Route::Enforcement, [true, true, false, false, false]),
            (Route::Http(Page::Enforce), [true, true, false, false, false]),
            (Route::Admin, [true, false, true, false, false]),
            (Route::Reflection, [true, true, true, false, false]),
            (Route::ReflectionAlpha, [true, true, true, false, false]),
            (Route::Health, [true; 5]),
            (Route::Http(Page::Health), [true; 5]),
            (Route::Http(Page::Live), [true; 5]),
            (Route::Http(Page::Ready), [true; 5]),
        ];
        for (route, expected) in routes {
            let listeners = [Opens::All, Opens::AllButAdmin, Opens::Admin, Opens::Health, Opens::Metrics];
            assert_eq!(listeners.map(|opens| opens.includes(route)), expected, "{route:?}");
        }
    }
}
