"""Which addresses may be connected to: one case an address, by the ids of the hostile cases."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from monitor.edges.addresses import FORBIDDEN, refusal

S1 = ("127.0.0.2", "127.0.0.1", "::1", "0.0.0.0", "::", "10.1.2.3", "172.31.255.255", "192.168.0.1")
S5 = (
    "::ffff:127.0.0.2",
    "::127.0.0.2",
    "::ffff:0:127.0.0.2",
    "4000::1",
    "64:ff9b::7f00:2",
    "64:ff9b:1::7f00:2",
    "2002:7f00:2::",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:2::1",
    "2001:0:53aa:64c:0:7a7e:80ff:fffd",
    "fec0::1",
    "ff02::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "5f00::1",
    "3fff::1",
    "2001:db8::1",
    "100::1",
)
S6 = (
    "169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:168.63.129.16",
    "64:ff9b::a83f:8110",
    "100.64.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "203.0.113.7",
)
NONSENSE = ("", "127.1", "2130706433", "0x7f.1", "localhost", "127.0.0.1.", "1.2.3.4/8")
PUBLIC = ("93.184.216.34", "8.8.8.8", "172.32.0.1", "100.128.0.1", "198.20.0.1", "168.63.129.17", "2606:4700::1111")
PUBLIC_WRAPPED = ("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1")


def ids(case: str, addresses: tuple[str, ...]) -> list[str]:
    return [f"{case} {address}" for address in addresses]


@pytest.mark.parametrize("address", S1 + S5 + S6, ids=ids("S1", S1) + ids("S5", S5) + ids("S6", S6))
def test_refused(address):
    assert "not to be connected to" in refusal(address)


@pytest.mark.parametrize("address", NONSENSE)
def test_what_is_not_an_address_is_refused_too(address):
    assert "not an IP address" in refusal(address)


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_WRAPPED)
def test_public_addresses_pass(address):
    assert refusal(address) is None


def test_the_words_name_the_address_where_it_really_leads_and_why():
    assert refusal("::ffff:10.0.0.7") == (
        "::ffff:a00:7, which is 10.0.0.7, is not to be connected to (10.0.0.0/8: a private network)"
    )


@pytest.mark.parametrize("network", [network for network, _ in FORBIDDEN], ids=str)
def test_every_forbidden_network_is_forbidden_to_its_last_address(network):
    assert refusal(str(network.network_address)) and refusal(str(network.broadcast_address))


ALLOWED = {
    "what is allowed passes": ("127.0.0.0/8", "127.0.0.2", True),
    "also in its mapped spelling, which is the same place": ("127.0.0.0/8", "::ffff:127.0.0.2", True),
    "not by way of a translator, which is another": ("127.0.0.0/8", "64:ff9b::7f00:2", False),
    "the neighbour stays refused": ("127.0.0.1/32", "127.0.0.2", False),
    "an IPv4 network says nothing of IPv6": ("127.0.0.0/8", "::1", False),
    "a private IPv6 network": ("fd00::/8", "fd00::2", True),
    "one with its interface": ("fe80::/10", "fe80::1%eth0", True),
}


@pytest.mark.parametrize(("network", "address", "passes"), ALLOWED.values(), ids=ALLOWED)
def test_the_operator_may_allow(network, address, passes):
    assert (refusal(address, (ip_network(network),)) is None) is passes
