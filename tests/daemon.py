"""The real program as a child process: started, waited for, killed, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0  # seconds; only a broken program needs them


class Daemon:
    """`wirewatch run` with a configuration; a context manager that leaves nothing running.

    `environ` is added to ours: `WIREWATCH_SPEED="60"` and the other test switches.
    """

    def __init__(self, config: Path, **environ: str):
        self.config = config
        self.environ = {**os.environ, "WIREWATCH_TEST_HOOKS": "1", **environ} if environ else None
        self.process: subprocess.Popen[bytes] | None = None
        self.log = config.with_suffix(".log")

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def start(self) -> Daemon:
        """Start it; what it says goes to a file beside the configuration."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=ROOT, stdout=log, stderr=log, env=self.environ)
        return self

    def command(self) -> list[str]:
        """What is started."""
        return [sys.executable, "-m", "monitor", "run", "--config", str(self.config)]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def hang_up(self) -> None:
        """SIGHUP: reload."""
        self.process.send_signal(signal.SIGHUP)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait for something to happen while the daemon lives."""
        end = time.monotonic() + PATIENCE
        while not happened():
            assert self.process.poll() is None, f"the daemon ended by itself:\n{self.said()}"
            assert time.monotonic() < end, f"it did not happen within {PATIENCE} s; the daemon said:\n{self.said()}"
            threading.Event().wait(0.02)

    def said(self) -> str:
        """All it logged so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def wirewatch(*arguments: str, config: Path | None = None, stdin: bytes | None = None, **environ: str) -> subprocess.CompletedProcess:
    """One command, to its end; output as text."""
    command = [sys.executable, "-m", "monitor", *(["--config", str(config)] if config else []), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(command, cwd=config.parent if config else ROOT, env=environment, input=stdin, capture_output=True, timeout=60, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
