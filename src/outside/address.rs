//! Which addresses are everyone's: those that a URL of somebody else's may lead us to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are nobody's or only ours, by their first bits.
///
/// Source: IANA IPv4 Special-Purpose Address Registry, those not globally reachable; and the ranges
/// for multicast and for the future.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Networks inside 2000::/3, which is all that is given out, that are not public.
///
/// Source: IANA IPv6 Special-Purpose Address Registry. 2001::/23 holds Teredo, 2002::/16 is 6to4: both
/// carry an IPv4 address that would not be looked at.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IPv4 behind a translator, RFC 6052: the last 32 bits are the address that is meant.
const TRANSLATED: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether the address is public: not private, loopback, link-local (where clouds keep their
/// metadata), shared, multicast or reserved, in whichever notation.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(network, bits): &(Ipv4Addr, u32)| {
        let differs = address.to_bits() ^ network.to_bits();
        differs.leading_zeros() >= *bits
    };
    !NOT_PUBLIC_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let within = |(network, bits): &(Ipv6Addr, u32)| {
        let differs = address.to_bits() ^ network.to_bits();
        differs.leading_zeros() >= *bits
    };
    if within(&TRANSLATED) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_and_others() {
        let check = |texts: &str, expect: bool| {
            for text in texts.split_whitespace() {
                let address: IpAddr = text.parse().unwrap();
                assert_eq!(is_public(address), expect, "{text}");
            }
        };
        check(
            "8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0",
            true,
        );
        check(
            "126.255.255.255 128.0.0.0 169.253.1.1 172.15.255.255 172.32.0.0",
            true,
        );
        check(
            "192.167.1.1 192.169.0.0 198.17.1.1 198.20.0.0 223.255.255.255",
            true,
        );
        check(
            "2606:4700::1111 2a00:1450::1 2003::1 ::ffff:8.8.8.8 64:ff9b::808:808",
            true,
        );
        check(
            "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.9.9.9",
            false,
        );
        check(
            "169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.192",
            false,
        );
        check(
            "192.0.2.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9",
            false,
        );
        check(
            "224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 192.88.99.1",
            false,
        );
        check(
            ":: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254",
            false,
        );
        check(
            "fe80::1 fc00::1 fd00:ec2::254 ff02::1 100::1 2001:db8::1 2001::1 2002:7f00:1::",
            false,
        );
        check(
            "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 3fff::1 4000::1 5f00::1",
            false,
        );
    }
}
