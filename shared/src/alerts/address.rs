//! Which addresses a webhook, or an issuer that is trusted, may have.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Networks of IPv4 that are nobody's on the Internet (IANA's special-purpose registry, RFC 6890), and multicast.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All of IPv6 that is on the Internet is in here (RFC 4291, section 2.4). IPv4 in any disguise that is mapped or translated
/// (`::ffff:0:0/96`, `64:ff9b::/96`), unique-local, link-local, loopback and multicast addresses are not.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// What in there is not: protocol assignments with Teredo, documentation, 6to4 (which holds an IPv4 address).
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one of the Internet's.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| in_v4(address, *net)),
        IpAddr::V6(address) => in_v6(address, GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(|net| in_v6(address, *net)),
    }
}

fn in_v4(address: Ipv4Addr, (net, bits): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ net.to_bits()).leading_zeros() >= bits
}

fn in_v6(address: Ipv6Addr, (net, bits): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ net.to_bits()).leading_zeros() >= bits
}

/// Finds addresses of names, at the moment of connecting, and gives out none of a name that has one which is not public. So it
/// does not help a name to change what it stands for.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// Whether loopback counts as public.
    pub(crate) loopback: bool,
}

impl Resolver {
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || (self.loopback && address.is_loopback())
    }

    fn screen(&self, addresses: Vec<SocketAddr>) -> Result<Addrs, Box<dyn StdError + Send + Sync>> {
        if addresses.is_empty() || !addresses.iter().all(|it| self.allows(it.ip())) {
            return Err("the host has an address that is not public".into());
        }
        Ok(Box::new(addresses.into_iter()))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Self {
            loopback: self.loopback,
        };
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            resolver.screen(found.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_a_private_family_is_public() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2600:1f18::1",
            "2a00::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn one_private_address_among_public_ones_spoils_a_name() {
        let resolver = Resolver { loopback: false };
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        assert_eq!(resolver.screen(vec![at("8.8.8.8:0")]).unwrap().count(), 1);
        for bad in [
            vec![],
            vec![at("8.8.8.8:0"), at("10.0.0.1:0")],
            vec![at("[::1]:0")],
            vec![at("127.0.0.1:0")],
        ] {
            assert!(resolver.screen(bad).is_err());
        }
        let local = Resolver { loopback: true };
        assert!(local.screen(vec![at("127.0.0.1:0"), at("[::1]:0")]).is_ok());
        assert!(
            local.screen(vec![at("10.0.0.1:0")]).is_err(),
            "loopback is no private network"
        );
    }

    #[tokio::test]
    async fn a_name_that_stands_for_this_machine_is_not_given_out() {
        let refused = Resolver { loopback: false }.resolve("localhost".parse().unwrap()).await;
        assert!(refused.is_err());
        let allowed = Resolver { loopback: true }.resolve("localhost".parse().unwrap()).await;
        assert!(allowed.is_ok_and(|mut found| found.next().is_some()));
    }
}
