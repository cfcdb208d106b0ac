"""sd_notify: telling systemd that we are ready, reloading, stopping or still making progress.

The protocol is a datagram to the socket systemd names (sd_notify(3)); nothing happens where it names none.
"""

from __future__ import annotations

import socket
from datetime import timedelta

SIGN_OF_LIFE = timedelta(seconds=15)


class Notifier:
    """Sends states to the notification socket at `address` (the value of $NOTIFY_SOCKET), or nowhere.

    `patience` is how long systemd waits for a sign of life (WatchdogSec=); `sign_of_life` how often one is to be given.
    """

    def __init__(self, address: str | None, patience: timedelta | None = None):
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.sign_of_life = min(SIGN_OF_LIFE, patience / 4) if patience else SIGN_OF_LIFE

    def tell(self, *states: str) -> None:
        """Send states such as "READY=1"; a systemd that does not listen is no error of ours."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            try:
                datagram.sendto("\n".join(states).encode(), self._address)
            except OSError:
                return
