"""Until when a certificate is valid, read from the bytes that a server shows (X.509 in DER, RFC 5280 4.1).

Python's `ssl` takes only certificates apart that it trusts; of an expired one it says that it is. Walks over the few
elements before the date and believes nothing it meets. Judges no certificate: that is OpenSSL's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

HAS_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED, the `verify_code` of the error
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18  # tags


def valid_until(certificate: bytes) -> datetime | None:
    """The end of its validity; None where that cannot be read."""
    try:
        _, at, _ = _element(certificate, 0)  # Certificate
        _, at, _ = _element(certificate, at)  # its TBSCertificate
        tag, _, end = _element(certificate, at)
        at = end if tag == _VERSION else at  # the first version does not say that it is
        for _ in ("serial number", "signature algorithm", "issuer"):
            at = _element(certificate, at)[2]
        _, at, _ = _element(certificate, at)  # Validity
        at = _element(certificate, at)[2]  # since when
        tag, begin, end = _element(certificate, at)
        return _time(tag, certificate[begin:end].decode("ascii"))
    except (ValueError, IndexError):
        return None


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """The tag of what begins at an offset, and where its content begins and ends."""
    tag, length, begin = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(der[begin : begin + size], "big")
        begin += size
    if begin + length > len(der):
        raise ValueError("cut off")
    return tag, begin, begin + length


def _time(tag: int, text: str) -> datetime | None:
    if tag == _UTC_TIME:  # two digits of a year from 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        return None
    if not re.fullmatch(r"[0-9]{14}Z", text):
        return None
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
