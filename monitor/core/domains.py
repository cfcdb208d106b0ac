"""Whose address is it? Registrable domains by the public suffix list.

The list comes with the library `tld` and is read from its package; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.core.urls import host_of


def domain_of(url: str) -> str:
    """The registrable domain of a web address: `bbc.co.uk` for `https://www.bbc.co.uk/news`. For addresses of another
    kind (numbers, names without a dot) the host itself."""
    from tld import get_fld

    host = host_of(url)
    return get_fld(f"https://{host}/", fail_silently=True) or host


def origin_of(url: str) -> str:
    """Scheme, host and port of a web address, as robots.txt holds for them."""
    scheme, _, rest = url.strip().partition("://")
    return f"{scheme.lower()}://{rest.partition('/')[0].partition('?')[0].partition('#')[0].rpartition('@')[2].lower()}"


def within(url: str, domains: Iterable[str]) -> bool:
    """Whether an address lies in one of these domains, or below it."""
    host = host_of(url)
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
