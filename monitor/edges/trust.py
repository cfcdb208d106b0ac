"""aiohttp, imported without reading the system's trust store: that is read before the first TLS handshake.

aiohttp reads it twice when it is imported, which takes longer than all else that a pass over a few feeds does. Whom it
trusts, and how strictly it checks, stays as it is. Where aiohttp was imported before, it has read the store already.
"""

from __future__ import annotations

import ssl


def _read_later(context: ssl.SSLContext) -> None:
    """Have a context read the system's trust store as soon as a connection asks for it."""

    def wrap_bio(*args, **named) -> ssl.SSLObject:
        del context.wrap_bio
        context.set_default_verify_paths()
        return context.wrap_bio(*args, **named)

    context.wrap_bio = wrap_bio


ssl.SSLContext.set_default_verify_paths = _read_later
try:
    import aiohttp
finally:
    del ssl.SSLContext.set_default_verify_paths  # what it inherits is in force again

__all__ = ["aiohttp"]
