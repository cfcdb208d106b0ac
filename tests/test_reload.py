"""What counts as an edit of a watchlist, and what bad files in the folder say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.errors import WatchlistError
from monitor.reload import fingerprint
from monitor.watchlists import load_watchlists

SOUND = 'threshold = 2\n[[term]]\nany = ["Iran"]\n'


def put(folder: Path, name: str = "a.toml", text: str | bytes = SOUND) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def replaced_as_editors_do(path: Path) -> None:
    """Same size and same time of change: only the file is another."""
    about = path.stat()
    other = put(path.parent, ".a.toml.swp", SOUND.replace("Iran", "Irak"))
    os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    other.rename(path)


EDITS = {
    "written in place": lambda path: put(path.parent, text=SOUND + "\n"),
    "replaced by a file of the same size and time": replaced_as_editors_do,
    "removed": lambda path: path.unlink(),
    "renamed": lambda path: path.rename(path.with_name("b.toml")),
    "another beside it": lambda path: put(path.parent, "b.toml"),
    "another in capitals": lambda path: put(path.parent, "B.TOML"),
    "made unreadable": lambda path: path.chmod(0),
    "the folder is gone": lambda path: (path.unlink(), path.parent.rmdir()),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_is_seen(tmp_path, edit):
    folder = tmp_path / "watchlists"
    folder.mkdir()
    path = put(folder)
    before = fingerprint(folder)
    edit(path)
    assert fingerprint(folder) != before


@pytest.mark.parametrize("name", ["notes.txt", "a.toml~", ".a.toml.swp", "4913", ".#a.toml"])
def test_what_an_editor_leaves_behind_is_no_edit(tmp_path, name):
    put(tmp_path)
    before = fingerprint(tmp_path)
    put(tmp_path, name)
    assert fingerprint(tmp_path) == before == fingerprint(tmp_path)


BAD = {
    "not UTF-8": (b'title = "M\xfcller"\n' + SOUND.encode(), "a.toml:1: file: byte 0xFC is not UTF-8"),
    "UTF-16": (SOUND.encode("utf-16"), "a.toml:1: file: is UTF-16; expected UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf" + SOUND.encode(), "a.toml:1: file: begins with a byte order mark"),
    "a megabyte": (SOUND + "#" * 999_970, "a.toml:1: file: is larger than 999,999 bytes"),
    "lists nested without end": (SOUND + "x = " + "[" * 50_000, "a.toml:1: file: is nested too deeply"),
    "keys nested without end": (
        SOUND + ".".join(["x"] * 50_000) + " = 1\n",
        "a.toml:1: file: is nested too deeply; expected a few levels of tables and lists",
    ),
    "10,000 terms": (
        "threshold = 2\n" + "".join(f'[[term]]\nany = ["word{n}"]\n' for n in range(10_000)),
        "a.toml:2: term: must have at most 5000 elements or letters, has 10000",
    ),
    "a NUL": ("threshold = 2\0\n", "a.toml:1: file: "),
    "nothing": ("", "a.toml:1: term: is missing"),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_words(tmp_path, text, says):
    put(tmp_path, text=text)
    with pytest.raises(WatchlistError) as refused:
        load_watchlists(tmp_path)
    assert any(str(problem).startswith(f"{tmp_path}/{says}") for problem in refused.value.problems)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path):
    put(tmp_path).chmod(0)
    with pytest.raises(WatchlistError, match=r"a\.toml:1: file: cannot be read: Permission denied"):
        load_watchlists(tmp_path)


def test_a_file_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "a.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(WatchlistError, match=r"a\.toml:1: file: cannot be read: No such file"):
        load_watchlists(tmp_path)


def test_a_directory_called_like_a_watchlist_is_refused(tmp_path):
    (tmp_path / "a.toml").mkdir()
    with pytest.raises(WatchlistError, match=r"a\.toml:1: file: is a directory; expected a regular file"):
        load_watchlists(tmp_path)
