"""Addresses as they are sent."""

import pytest
from yarl import URL

from monitor.edges import hops

ADDRESSES = [
    "http://a.example/", "https://a.example:80/x", "https://a.example:443/x?y=1&z=%20", "http://a.example/%7Ea",
    "http://a.example/a//b", "http://a.example/a/./b", "http://a.example/./b", "http://a.example/..", "http://a.example/?",
    "http://a.example/?#", "http://a.example/x#y", "http://a.example:0080/", "http://a.example:8080/x", "http://127.0.0.1/",
    "http://a.example/[x]", "http://a.example/@x", "http://u:p@a.example/x", "http://u@a.example/x", "http://a.example./x",
    "http://a.example/%2e%2e/x", "http://a.example/%zz", "http://A.Example/X", "http://bücher.example/ä", "http://a.example",
]  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_that_needs_no_cleaning_is_read_as_any_other(text, monkeypatch):
    read = hops.parsed(text)
    monkeypatch.setattr(hops, "_PLAIN", hops.re.compile("(?!)"))
    cleaned = hops.parsed(text)
    assert read == cleaned and isinstance(read, URL)
    assert [str(read), read.raw_path_qs, hops.host_key(read)] == [str(cleaned), cleaned.raw_path_qs, hops.host_key(cleaned)]
