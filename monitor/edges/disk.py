"""The disk under the database: how much is free, a reserve to give up, and whether it is a disk at all.

Knows nothing of what is written.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

RESERVE = 16 * 1024 * 1024  # bytes; deleting in WAL mode needs room, too, so some must be there to give up
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs"})
MOUNTS = Path("/proc/self/mountinfo")  # proc(5)


class Ballast:
    """A file that only takes up room, so that there is some when the disk is full. Without `path` there is none."""

    def __init__(self, path: Path | None, *, size: int = RESERVE):
        self._path, self._size = path, size
        self.spent = False  # given up, and not taken again

    @property
    def held(self) -> bool:
        """Whether the reserve is there."""
        return self._path is None or self._path.exists()

    def hold(self) -> bool:
        """Take the room where twice as much is free; whether it is held now."""
        if self.held:
            self.spent = False
            return True
        if free_bytes(self._path.parent) < 2 * self._size:
            return False
        try:
            self._take(self._path)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        self.spent = False
        return True

    def _take(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        finally:
            os.close(descriptor)

    def drop(self) -> bool:
        """Give the room up; whether there was any to give."""
        if self._path is None:
            return False
        with suppress(OSError):
            self._path.unlink()
            self.spent = True
            return True
        return False


def free_bytes(path: Path) -> int:
    """Bytes that may still be written where `path` is; 0 where that cannot be said."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def network_filesystem(path: Path) -> str | None:
    """The kind of network filesystem that `path` is on, or None for a disk (or where the system does not say)."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return None
    whole = path.resolve()
    holding = [(Path(fields[4]), fields[fields.index("-") + 1]) for fields in mounts]
    around = [(len(point.parts), kind) for point, kind in holding if whole.is_relative_to(point)]
    kind = max(around, default=(0, ""), key=lambda one: one[0])[1]  # the innermost; of equals the first
    return kind if kind in NETWORK or kind.startswith("fuse.sshfs") else None
