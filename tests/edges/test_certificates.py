"""Dates in certificates, as servers show them and as nobody should."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.edges.certificates import valid_until


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content).to_bytes(2, "big")
    return bytes([tag]) + (length[1:] if len(content) < 128 else b"\x82" + length) + content


def certificate(end: bytes, *, version: bytes = element(0xA0, b"\x02\x01\x02"), issuer: bytes = b"") -> bytes:
    since = element(0x17, b"200101000000Z")
    before = (version, element(2, b"\x01"), element(0x30), element(0x30, issuer))
    return element(0x30, element(0x30, *before, element(0x30, since, end), element(0x30)), element(0x30), element(3, b"\0"))


ENDS = [
    (element(0x17, b"261126150000Z"), datetime(2026, 11, 26, 15, tzinfo=UTC)),
    (element(0x17, b"491231235959Z"), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (element(0x17, b"500101000000Z"), datetime(1950, 1, 1, tzinfo=UTC)),
    (element(0x18, b"20500101000000Z"), datetime(2050, 1, 1, tzinfo=UTC)),
    (element(0x17, b"261326150000Z"), None),
    (element(0x17, b"2611261500Z"), None),
    (element(0x18, b"20500101000000+0100"), None),
    (element(0x18, b"\xff\xfe"), None),
    (element(0x02, b"261126150000Z"), None),
    (b"", None),
]


@pytest.mark.parametrize(("end", "moment"), ENDS)
def test_the_end_of_validity(end, moment):
    assert valid_until(certificate(end)) == moment
    assert valid_until(certificate(end, version=b"")) == moment, "version 1 has no version"
    assert valid_until(certificate(end, issuer=b"x" * 300)) == moment


@given(st.integers(0, 400), st.binary(max_size=3))
def test_what_is_cut_off_or_damaged_has_no_date_or_some_date(at, damage):
    whole = certificate(ENDS[0][0], issuer=b"x" * 300)
    for broken in (whole[:at], whole[:at] + damage + whole[at + len(damage) :], damage):
        assert isinstance(valid_until(broken), datetime | None)
    assert valid_until(whole[:300]) is None


def test_one_that_openssl_made(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    made = tmp_path / "cert.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 40000 -subj /CN=a -keyout {tmp_path}/key.pem -out {made}"
    subprocess.run(command.split(), check=True, capture_output=True)
    said = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", made], check=True, capture_output=True, text=True)
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(said.stdout.strip().removeprefix("notAfter=")), UTC)
    assert valid_until(ssl.PEM_cert_to_DER_cert(made.read_text())) == end
