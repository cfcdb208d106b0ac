"""A process that has imported the whole program and forks daemons of it: `wirewatch run`, real, in milliseconds.

`Nursery` is the side of the tests; `main` is the process itself, one thread only, as forking asks. They speak JSON
lines: a request {"config", "environ", "log", "design"} is answered with {"born": pid}; each death is told with
{"died": pid, "status": …} as os.waitpid has it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; only a broken program needs them


# ── the side of the tests ────────────────────────────────────────────────────────────────────────


@dataclass
class Life:
    """One daemon, from fork to death."""

    pid: int
    dead: threading.Event = field(default_factory=threading.Event)
    status: int = 0

    def kill(self) -> None:
        """kill -9, unless it is dead already; may be called from any thread."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    def hang_up(self) -> None:
        """SIGHUP: reload."""
        self._signal(signal.SIGHUP)

    def wait(self, seconds: float = PATIENCE) -> bool:
        """Wait for its death; whether it came."""
        return self.dead.wait(seconds)

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.dead.is_set() and os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def code(self) -> int:
        """Its exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(self.status)

    def _signal(self, which: int) -> None:
        if not self.dead.is_set():
            try:
                os.kill(self.pid, which)
            except ProcessLookupError:
                pass  # it was quicker


class Nursery:
    """Forks daemons; a context manager that leaves none alive."""

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lives: dict[int, Life] = {}
        self._born: list[Life] = []
        self._birth = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        for life in tuple(self._lives.values()):
            life.kill()
            life.wait()
        self._process.stdin.close()
        self._process.wait(PATIENCE)

    def start(self, config: Path, *, environ: dict[str, str] | None = None, design: str = "") -> Life:
        """A daemon with this configuration; what it says goes to a file beside it. `design`: a mistake to put in."""
        asked = {
            "config": str(config),
            "log": str(config.with_suffix(".log")),
            "environ": {"WIREWATCH_TEST_HOOKS": "1", **(environ or {})},
            "design": design,
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        if not self._birth.acquire(timeout=PATIENCE):
            raise RuntimeError("the nursery does not answer")
        return self._born.pop()

    def _listen(self) -> None:
        for line in self._process.stdout:
            said = json.loads(line)
            if "born" in said:
                life = self._lives[said["born"]] = Life(said["born"])
                self._born.append(life)
                self._birth.release()
            else:
                life = self._lives.pop(said["died"])
                life.status = said["status"]
                life.dead.set()


# ── the process ──────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Answer requests until standard input ends."""
    _import_all()
    os.write(1, b"")  # standard output belongs to the protocol; only _tell writes to it
    signal.signal(signal.SIGCHLD, lambda *_: _bury())
    for line in sys.stdin:
        _give_birth(json.loads(line))


def _give_birth(asked: dict[str, Any]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # a death must not be told before its birth
    pid = os.fork()
    if pid == 0:
        _live(asked)
    _tell({"born": pid})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _live(asked: dict[str, Any]) -> None:
    """The forked child: become `wirewatch run`."""
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _redirect(asked["log"])
        os.environ.update(asked["environ"])
        if asked["design"]:
            from tests.crash.designs import DESIGNS

            DESIGNS[asked["design"]]()
        from monitor.cli import main as wirewatch

        wirewatch(["--config", asked["config"], "run"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: str) -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nowhere, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(nowhere)
    os.close(file)


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell({"died": pid, "status": status})


def _tell(words: dict[str, int]) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _import_all() -> None:
    """Everything that a daemon would import, and what its libraries set up at first use; starts no thread."""
    import gc

    import alembic.command  # noqa: F401
    import apscheduler.schedulers.asyncio  # noqa: F401

    import monitor.app
    import monitor.cli
    import monitor.web.page  # noqa: F401
    from monitor.edges.send import open_sender

    for url in (
        "matrix://u:p@127.0.0.1:1/!r:x",
        "slack://T0001/B0001/XXXXXXXXXXXXXXXXXXXXXXXX",
        "mailto://localhost:25?to=a@example.org",
        "json://127.0.0.1:1/",
        "console://",
    ):
        open_sender("warm", url)
    gc.collect()
    gc.freeze()  # what is here stays shared with the children


if __name__ == "__main__":
    main()
