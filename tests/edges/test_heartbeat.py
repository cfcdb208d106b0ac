import asyncio

import pytest

from monitor.edges.heartbeat import ping
from tests.fakes import FakeHttp


@pytest.mark.parametrize(("status", "trouble"), [(200, None), (302, "HTTP 302"), (500, "HTTP 500")])
def test_a_sign_of_life_is_one_request_that_follows_nothing(status, trouble):
    with FakeHttp() as sink:
        if status != 200:
            sink.fails_with(status)
        assert asyncio.run(ping(f"http://127.0.0.1:{sink.port}/uuid")) == trouble
        assert len(sink.requests) == 1


def test_a_sign_of_life_that_is_not_answered_is_not_repeated(web):
    web.page("/uuid").breaks_off(b"")
    assert asyncio.run(ping(web.url("/uuid"))) == "BrokenOff"
    assert len(web.requests) == 1


def test_trouble_is_told_without_the_address():
    assert asyncio.run(ping("http://127.0.0.1:1/s3cret")) == "ClientConnectorError"
    assert asyncio.run(ping("http://[bad/s3cret")) in ("InvalidURL", "ValueError", "InvalidUrlClientError")
