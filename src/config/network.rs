//! Networks in CIDR notation, as lists of trusted addresses name them.

use std::fmt;
use std::net::IpAddr;

/// The addresses that begin with the same bits. IPv4 in IPv6 counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. Bits behind the prefix must be zero: a slip in either part
    /// would trust others than were meant.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(super::value::count(prefix)?)),
            None => (text, None),
        };
        let given: IpAddr = address.parse().ok()?;
        let address = given.to_canonical();
        let bits = width(address);
        let prefix = match prefix {
            None => bits,
            // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
            Some(prefix) => u8::try_from(prefix).ok()?.checked_sub(width(given) - bits)?,
        };
        let network = Self { address, prefix };
        (prefix <= bits && network.masked(address) == network.masked_in_full()).then_some(network)
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address) && self.masked(address) == self.masked(self.address)
    }

    /// Whether it is every address there is.
    pub const fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let behind = u32::from(width(address).saturating_sub(self.prefix));
        bits(address).checked_shr(behind).unwrap_or(0).checked_shl(behind).unwrap_or(0)
    }

    fn masked_in_full(&self) -> u128 {
        bits(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_and_the_bits_that_count() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "::1", true),
            ("::1", "::1", true),
        ];
        for (network, address, expected) in cases {
            let found = Network::parse(network).unwrap().contains(address.parse().unwrap());
            assert_eq!(found, expected, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in
            ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10/8", "::/129", "a.b.c.d/8", "/8", "10.0.0.0/-1"]
        {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        assert_eq!(Network::parse("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
    }
}
