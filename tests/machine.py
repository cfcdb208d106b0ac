"""A machine of its own with a running systemd: this one's files under a layer of memory, booted by systemd-nspawn.

Needs root and Debian's `systemd-container`; `Machine.missing()` says what is not there. The network is this machine's, so
that fakes on loopback are reached. Nothing that happens inside stays. Imports nothing of ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

PATIENCE = 60.0  # seconds; only a broken machine needs them
LAYER = "2G"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HANDED_ON = ("PIP_", "SSL_", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")  # how packages are reached
OTHERS = "multi-user.target.wants", "timers.target.wants", "sysinit.target.wants", "getty.target.wants", "graphical.target.wants"


class Machine:
    """A booted machine; a context manager that leaves neither processes nor mounts."""

    def __init__(self, folder: Path):
        self._folder, self.root = folder, folder / "root"
        self._mounts: list[Path] = []
        self._nspawn: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """Why there can be no such machine here, or nothing."""
        if os.geteuid() != 0:
            return "needs root, to mount and to boot a machine"
        if shutil.which("systemd-nspawn") is None:
            return "needs systemd-nspawn (Debian: systemd-container)"
        return ""

    def __enter__(self) -> Self:
        try:
            self._lay()
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._nspawn is not None:
            self._nspawn.send_signal(signal.SIGTERM)  # nspawn passes it on as a power-off
            try:
                self._nspawn.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        for mount in reversed(self._mounts):
            subprocess.run(["umount", "--lazy", mount], check=False)

    def does(self, command: str, *, check: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        """A line of shell inside, as root in a login without our environment; output as text."""
        names = {name: value for name, value in os.environ.items() if name.startswith(HANDED_ON)}
        inside = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--pid", "--root"]
        done = subprocess.run(
            [*inside, "/bin/bash", "-c", f"cd / && {command}"],
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **names, **environ},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def shows(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as systemd has them."""
        said = self.does(f"systemctl show {unit} " + " ".join(f"-p {name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in said.splitlines())

    def wait_until(self, happened: Callable[[], object]) -> None:
        """Wait for something to happen inside."""
        end = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < end, f"it did not happen within {PATIENCE} s; the journal:\n{self._journal()}"
            time.sleep(0.1)

    def _journal(self) -> str:
        return self.does("journalctl -n 25 -o cat --no-pager", check=False).stdout

    def _lay(self) -> None:
        for name in ("upper", "work"):
            if not self._mounts:
                self._mount("-t", "tmpfs", "-o", f"size={LAYER}", "tmpfs", self._folder)
            (self._folder / name).mkdir()
        self.root.mkdir()
        layers = f"lowerdir=/,upperdir={self._folder / 'upper'},workdir={self._folder / 'work'}"
        self._mount("-t", "overlay", "-o", layers, "overlay", self.root)
        for name in OTHERS:  # the services of this machine stay out of it
            shutil.rmtree(self.root / "etc/systemd/system" / name, ignore_errors=True)
        shutil.rmtree(self.root / "var/lib/systemd/linger", ignore_errors=True)

    def _mount(self, *arguments: str | Path) -> None:
        subprocess.run(["mount", *arguments], check=True)
        self._mounts.append(Path(arguments[-1]))

    def _boot(self) -> None:
        with (self._folder / "console").open("wb") as console:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "--boot", "--quiet", f"--directory={self.root}", f"--machine=wirewatch-{os.getpid()}",
                 "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=copy-host", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip
        self.wait_until(self._has_leader)
        self.wait_until(lambda: self.does("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"))

    def _has_leader(self) -> bool:
        assert self._nspawn.poll() is None, (self._folder / "console").read_text(errors="replace")
        said = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self._nspawn.pid)], capture_output=True, text=True, check=False).stdout
        children = [line.split() for line in said.splitlines()]
        self._leader = next((int(pid) for pid, name in children if name == "systemd"), 0)
        return self._leader != 0
