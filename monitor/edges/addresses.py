"""Which IP addresses may be connected to: everything public, nothing private unless the operator allows it.

Judges an address that is about to be dialled. It does not resolve names or open sockets; `fetch` asks it at
the moment of connecting, so a name that changes its address between check and use gains nothing.

Python's `is_global` is not enough: 3.11 calls ::127.0.0.1, 64:ff9b::/96, 2002::/16, fec0::/10, multicast
and others global, and no version knows that 168.63.129.16 is Azure's host. Hence our own list first.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# IANA special-purpose address registries (IPv4, IPv6) and what clouds put at well-known places.
FORBIDDEN: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "a private network"),
        ("100.64.0.0/10", "a provider's inner network"),
        ("127.0.0.0/8", "this machine"),
        ("169.254.0.0/16", "link-local, where clouds keep their secrets"),
        ("172.16.0.0/12", "a private network"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation only"),
        ("192.88.99.0/24", "an old 6to4 relay"),
        ("192.168.0.0/16", "a private network"),
        ("198.18.0.0/15", "for benchmarks only"),
        ("198.51.100.0/24", "for documentation only"),
        ("203.0.113.0/24", "for documentation only"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, or broadcast"),
        ("168.63.129.16/32", "a cloud's own host"),
        ("::1/128", "this machine"),
        ("::/96", "this machine, or an IPv4 address in disguise"),
        ("64:ff9b:1::/48", "a private NAT64 network"),
        ("100::/64", "a black hole"),
        ("2001::/23", "reserved for protocols, Teredo among them"),
        ("2001:db8::/32", "for documentation only"),
        ("3fff::/20", "for documentation only"),
        ("5f00::/16", "segment routing inside a network"),
        ("fc00::/7", "a private network"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "a private network"),
        ("ff00::/8", "multicast"),
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is the last 32 bits
UNICAST = IPv6Network("2000::/3")  # all that IANA ever gave out for public use (IPv6 address space registry)


def refusal(address: str, allow_networks: tuple[Network, ...] = ()) -> str | None:
    """Why this address must not be connected to, in words for a person; None where it may.

    `address` is a numeric IPv4 or IPv6 address as a socket takes it (a `%scope` is ignored);
    `allow_networks` are what the operator allows in spite of everything.
    """
    try:
        asked = ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address!r} is not an IP address"
    real = _unwrapped(asked)
    if _within(asked, allow_networks) or (_same_place(asked) and _within(real, allow_networks)):
        return None
    for network, what in FORBIDDEN:
        if real in network:
            return _said(asked, real, f"{network}: {what}")
    public = real.is_global and (real.version == 4 or real in UNICAST)
    return None if public else _said(asked, real, "not a public address")


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _same_place(address: Address) -> bool:
    """Whether the kernel itself sends a wrapped address to the IPv4 address in it (true of ::ffff:0:0/96 only)."""
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address really leads to, else the address itself.

    IPv4-compatible (::/96) and Teredo addresses are forbidden whatever they hold, so they stay as they are.
    """
    if not isinstance(address, IPv6Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _said(asked: Address, real: Address, why: str) -> str:
    where = f"{asked}, which is {real}," if asked != real else str(asked)
    return f"{where} is not to be connected to ({why})"
