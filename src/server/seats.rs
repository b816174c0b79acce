//! How many connections there may be, in all and of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The seats of one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    max_per_address: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's seat, free again once dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Seats {
    pub(super) fn new(max: usize, max_per_address: usize) -> Self {
        Self { taken: Arc::default(), max, max_per_address }
    }

    /// A seat for a connection from `address`; `None` if there is none left for it. A proxy's connections carry many
    /// clients, so that only the bound in all holds for them.
    pub(super) fn take(&self, address: IpAddr, is_proxy: bool) -> Option<Seat> {
        let address = group(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= self.max || (of_address >= self.max_per_address && !is_proxy) {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, of_address + 1);
        Some(Seat { seats: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_address.get(&self.address).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            taken.by_address.remove(&self.address);
        } else {
            taken.by_address.insert(self.address, left);
        }
    }
}

/// One host has a whole IPv6 /64, so that counts as one address; IPv4 in IPv6 counts as IPv4.
pub(super) fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_leaves_seats_to_others() {
        let seats = Seats::new(3, 2);
        let _first = seats.take(address("10.0.0.1"), false).unwrap();
        let second = seats.take(address("::ffff:10.0.0.1"), false).unwrap();
        assert!(seats.take(address("10.0.0.1"), false).is_none());
        let _third = seats.take(address("10.0.0.2"), false).unwrap();
        assert!(seats.take(address("10.0.0.3"), false).is_none());
        drop(second);
        seats.take(address("10.0.0.1"), false).unwrap();
    }

    #[test]
    fn a_proxy_is_bound_by_the_number_in_all_only() {
        let seats = Seats::new(3, 1);
        let taken: Vec<_> = (0..3).map(|_| seats.take(address("10.0.0.1"), true).unwrap()).collect();
        assert!(seats.take(address("10.0.0.1"), true).is_none());
        drop(taken);
        assert!(seats.taken.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_network_of_64_bits_share() {
        let seats = Seats::new(9, 1);
        let first = seats.take(address("2001:db8::1"), false).unwrap();
        assert!(seats.take(address("2001:db8::2"), false).is_none());
        seats.take(address("2001:db8:0:1::1"), false).unwrap();
        drop(first);
        seats.take(address("2001:db8::2"), false).unwrap();
        assert!(seats.taken.lock().unwrap().by_address.is_empty());
    }
}
