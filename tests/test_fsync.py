"""Before a message leaves, its claim is on the disk: seen in the system calls of the real daemon."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from tests.crash.trace import STRACE, Step, steps, unsafe_sends
from tests.daemon import PATIENCE, Daemon
from tests.desk import Desk, rss
from tests.fakes import FakeHttp, FakeSmtp

TITLES = [
    f"The harbour bill, part {word}" for word in ("alpha of dredging", "bravo on tolls", "kilo for pilots", "zulu")
]
WITH_PRAGMA = """\
import sys
from monitor.store import database
database.PRAGMAS["synchronous"] = {!r}
from monitor.cli import main
main(sys.argv[1:])
"""


def traceable() -> bool:
    """Whether there is strace, and we may use it."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0


class TracedDaemon(Daemon):
    """The daemon under strace, perhaps with another synchronous pragma."""

    def __init__(self, config, synchronous=""):
        super().__init__(config, WIREWATCH_SPEED="10")
        self._trace, self._synchronous = config.with_suffix(".trace"), synchronous

    def command(self):
        program = ["-c", WITH_PRAGMA.format(self._synchronous)] if self._synchronous else ["-m", "monitor"]
        return [*STRACE, "-o", str(self._trace), sys.executable, *program, "--config", str(self.config), "run"]

    def trace(self):
        """All lines, once the daemon has ended."""
        ended = re.compile(rf"^{self.process.pid}\s+\+\+\+ (exited|killed)", re.MULTILINE)
        end = time.monotonic() + PATIENCE
        while not ended.search(text := self._trace.read_text(errors="replace")):
            assert time.monotonic() < end, "strace does not end"
            time.sleep(0.05)
        return text.splitlines()


def sends_of_a_daemon(folder, web, kind, synchronous=""):
    """(messages sent, those that left before their claim was on the disk) of a daemon with one channel."""
    with ExitStack() as stack:
        desk = Desk(folder, web).feed("gazette", rss(*TITLES))
        if kind == "json":
            sink = stack.enter_context(FakeHttp())
            url, begins, arrived, wanted = sink.url, "POST /hook", lambda: len(sink.requests), len(TITLES)
        else:
            sink = stack.enter_context(FakeSmtp())
            url, begins, arrived = sink.url_of("a@example.org", "b@example.org"), "Subject: ", lambda: len(sink.mails)
            wanted = 2 * len(TITLES)
        desk.channel("desk", url)
        daemon = stack.enter_context(TracedDaemon(desk.config, synchronous))
        daemon.start().wait_until(lambda: arrived() >= wanted)
        daemon.terminate()
        return unsafe_sends(steps(daemon.trace(), port=sink.port, message=begins))


@pytest.mark.crash
@pytest.mark.skipif(not traceable(), reason="needs strace, and the right to trace (apt install strace)")
class TestTraced:
    @pytest.mark.parametrize("kind", ["json", "mail"])
    def test_K14_every_claim_is_on_the_disk_before_its_message_leaves(self, tmp_path, web, kind):
        sent = len(TITLES) * (2 if kind == "mail" else 1)
        assert sends_of_a_daemon(tmp_path, web, kind) == (sent, 0)

    @pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
    def test_K14_a_database_that_does_not_sync_is_found(self, tmp_path, web, synchronous):
        sent, unsafe = sends_of_a_daemon(tmp_path, web, "json", synchronous)
        assert sent == len(TITLES) and unsafe > 0


SAFE = """\
7 pwrite64(9</d/wirewatch.db-wal>, "..sending..", 4096, 24) = 4096
8 fdatasync(9</d/wirewatch.db-wal> <unfinished ...>
7 sendto(12<TCP:[127.0.0.1:5->127.0.0.1:99]>, "GET /feed", 9, 0, NULL, 0) = 9
8 <... fdatasync resumed>) = 0
7 sendto(13<TCP:[127.0.0.1:6->127.0.0.1:80]>, "POST /hook HTTP/1.1", 19, 0, NULL, 0) = 19
"""


def test_a_trace_is_read_in_the_order_in_which_things_were_done():
    done = steps(SAFE.splitlines(), port=80, message="POST /hook")
    assert done == [Step("claim", 0), Step("sync", 3), Step("send", 4)]
    assert unsafe_sends(done) == (1, 0)


@pytest.mark.parametrize("without", ["pwrite64", "resumed"])
def test_a_send_without_its_claim_or_before_its_sync_is_unsafe(without):
    lines = [line for line in SAFE.splitlines() if without not in line]
    assert unsafe_sends(steps(lines, port=80, message="POST /hook")) == (1, 1)
