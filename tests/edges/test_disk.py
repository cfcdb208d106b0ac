"""The reserve, and what kind of disk it is."""

import os
import stat

import pytest

from monitor.edges import disk
from monitor.edges.disk import RESERVE, Ballast, free_bytes, network_filesystem

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /srv rw,relatime - nfs4 server:/export rw
31 30 0:41 / /srv/local rw,relatime - ext4 /dev/vdb rw
32 22 0:42 / /mnt/share rw - cifs //server/share rw
33 22 0:43 / /home/me/far rw - fuse.sshfs me@far:/ rw
34 22 0:44 / /var/lib/containers/merged rw - overlay overlay rw
"""


def test_D3_the_reserve_takes_real_room_and_gives_it_up_once(tmp_path):
    ballast = Ballast(tmp_path / "wirewatch.db.ballast")
    assert not ballast.held and not ballast.drop()
    assert ballast.hold() and ballast.held and not ballast.spent
    found = (tmp_path / "wirewatch.db.ballast").stat()
    assert (found.st_size, found.st_blocks * 512 >= RESERVE) == (RESERVE, True)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert (ballast.drop(), ballast.spent, ballast.drop()) == (True, True, False)
    assert ballast.hold() and not ballast.spent


def test_where_there_is_hardly_room_none_is_taken(tmp_path, monkeypatch):
    free = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([free[0], free[1], *free[2:4], 2 * RESERVE // free[1] - 1, *free[5:10]]))
    assert not Ballast(tmp_path / "b").hold()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_no_file_has_no_reserve_and_needs_none():
    ballast = Ballast(None)
    assert (ballast.held, ballast.hold(), ballast.drop(), ballast.spent) == (True, True, False, False)


def test_what_is_free_of_nothing_is_nothing(tmp_path):
    assert free_bytes(tmp_path) > 0
    assert free_bytes(tmp_path / "missing") == 0


WHERE = [
    ("/var/lib/wirewatch", None),
    ("/srv/wirewatch", "nfs4"),
    ("/srv/local/wirewatch", None),
    ("/mnt/share", "cifs"),
    ("/mnt/shared", None),
    ("/home/me/far/db", "fuse.sshfs"),
    ("/var/lib/containers/merged/state", None),
]


@pytest.mark.parametrize(("path", "kind"), WHERE)
def test_D16_a_network_filesystem_is_known_by_the_innermost_mount(tmp_path, monkeypatch, path, kind):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "mountinfo")
    assert network_filesystem(disk.Path(path)) == kind


def test_D16_where_the_system_does_not_say_nothing_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "none")
    assert network_filesystem(tmp_path) is None
