//! Clients that break the rules of HTTP/2 again and again. A flood ends its connection soon, and each new one costs more than it
//! brings; so an address that has broken too many gets no further one until some are forgiven.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::settings::Networks;

/// One breach of an address is forgiven each time.
const FORGIVES_ONE: Duration = Duration::from_secs(1);
/// Addresses remembered at most, some three megabytes of them; what further ones break is not held against them.
const ADDRESSES: usize = 65_536;
/// What of an IPv6 address tells whose it is: its owner chooses the rest.
const NETWORK: u128 = !0 << 64;

/// What the clients of one worker have broken.
pub(crate) struct Breaches {
    most: u32,
    trusted: Networks,
    by_owner: RefCell<HashMap<IpAddr, Debt, RandomState>>,
}

#[derive(Debug, Clone, Copy)]
struct Debt {
    /// Breaches not forgiven at `since`.
    breaches: u32,
    since: Instant,
}

impl Debt {
    fn at(self, now: Instant) -> u32 {
        let forgiven = now.duration_since(self.since).as_nanos() / FORGIVES_ONE.as_nanos();
        self.breaches.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

impl Breaches {
    /// An address with `most` breaches gets no new connection; 0 bounds none, nor is a trusted one bound, for others stand behind it.
    pub(crate) fn new(most: u32, trusted: Networks) -> Self {
        Self { most, trusted, by_owner: RefCell::default() }
    }

    /// Whether an address gets no new connection.
    pub(crate) fn are_too_many(&self, address: IpAddr, now: Instant) -> bool {
        let by_owner = self.by_owner.borrow();
        !by_owner.is_empty() && by_owner.get(&owner(address)).is_some_and(|debt| debt.at(now) >= self.most)
    }

    /// A connection of the address has ended because its client broke the rules.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        let mut by_owner = self.by_owner.borrow_mut();
        let owner = owner(address);
        let is_full = by_owner.len() >= ADDRESSES && !by_owner.contains_key(&owner);
        if self.most == 0 || is_full || self.trusted.contains(address.to_canonical()) {
            return;
        }
        let before = by_owner.get(&owner).map_or(0, |debt| debt.at(now));
        // Many connections that were open together count for no more than they would one after another.
        let breaches = (before + 1).min(self.most);
        if before < breaches && breaches == self.most {
            tracing::warn!(%address, breaches, "its clients break HTTP/2, so it gets no new connections for now");
        }
        by_owner.insert(owner, Debt { breaches, since: now });
    }

    /// Forgets who has nothing left to be forgiven.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut by_owner = self.by_owner.borrow_mut();
        by_owner.retain(|_, debt| debt.at(now) > 0);
        if by_owner.is_empty() {
            by_owner.shrink_to_fit();
        }
    }
}

fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

/// Whether an engine has ended because its client broke the rules, by what it ended with.
pub(crate) fn is_breach(error: &hyper::Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let is_breach = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<h2::Error>().is_some_and(|cause| cause.is_go_away() && cause.is_library())
            || cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
    };
    causes.any(is_breach)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn breaches(most: u32) -> Breaches {
        Breaches::new(most, "10.0.0.0/8".parse().expect("a network"))
    }

    #[test]
    fn an_address_with_too_many_is_refused_until_one_is_forgiven() {
        let (breaches, now) = (breaches(3), Instant::now());
        let is_refused = |seconds| breaches.are_too_many(ADDRESS, now + Duration::from_secs_f32(seconds));
        for _ in 0..3 {
            assert!(!is_refused(0.0));
            breaches.count(ADDRESS, now);
        }
        assert!(is_refused(0.0));
        // Those whose connections were still open.
        (0..100).for_each(|_| breaches.count(ADDRESS, now));
        assert!(is_refused(0.9));
        assert!(!is_refused(1.0));
        breaches.count(ADDRESS, now + Duration::from_secs(1));
        assert!(is_refused(1.9));
        breaches.tidy(now + Duration::from_secs(3));
        assert!(!breaches.by_owner.borrow().is_empty(), "two are left of three");
        breaches.tidy(now + Duration::from_secs(4));
        assert!(breaches.by_owner.borrow().is_empty());
    }

    #[test]
    fn others_are_let_in() {
        let (breaches, now) = (breaches(1), Instant::now());
        for address in ["192.0.2.1", "10.1.1.1", "::ffff:10.1.1.2", "2001:db8:1:2::1"] {
            breaches.count(address.parse().expect("an address"), now);
        }
        for (address, is_refused) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.2", false),
            ("10.1.1.1", false),
            ("10.1.1.2", false),
            ("2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:3::1", false),
        ] {
            assert_eq!(breaches.are_too_many(address.parse().expect("an address"), now), is_refused, "{address}");
        }
    }

    #[test]
    fn without_a_bound_nobody_is_refused_or_remembered() {
        let (breaches, now) = (breaches(0), Instant::now());
        (0..100).for_each(|_| breaches.count(ADDRESS, now));
        assert!(!breaches.are_too_many(ADDRESS, now));
        assert!(breaches.by_owner.borrow().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (breaches, now) = (breaches(1), Instant::now());
        for number in 0..2 * ADDRESSES as u32 {
            breaches.count(IpAddr::from((0xC000_0000 + number).to_be_bytes()), now);
        }
        assert_eq!(breaches.by_owner.borrow().len(), ADDRESSES);
        breaches.tidy(now + Duration::from_secs(1));
        breaches.count(ADDRESS, now + Duration::from_secs(1));
        assert!(breaches.are_too_many(ADDRESS, now + Duration::from_secs(1)), "there is room again");
    }
}
