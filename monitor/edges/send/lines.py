"""Connections on which a thread sends, and which another thread can break.

Says nothing of what is sent on them.
"""

from __future__ import annotations

import contextlib
import socket


class Lines:
    """The connections of one send. `hang_up` may be called from another thread."""

    def __init__(self) -> None:
        self.over = False
        self._handles: list[socket.socket] = []

    def opened(self, sock: socket.socket) -> None:
        """Keep a handle on a connection that outlives its change to TLS. Raises TimeoutError where all is over."""
        self._handles.append(sock.dup())
        if self.over:
            sock.close()
            raise TimeoutError

    def hang_up(self) -> None:
        """Break them: what reads from them ends at once, and none is opened later."""
        self.over = True
        for handle in tuple(self._handles):
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the handles."""
        for handle in self._handles:
            handle.close()
