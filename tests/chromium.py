"""A headless Chromium, spoken to by its DevTools protocol: what a page looks like, and what it does, in a real browser."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

PATIENCE = 60.0  # seconds; only a broken browser needs them
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--no-first-run", "--mute-audio")


def browser() -> str:
    """The program; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    return found


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints: list[str] = []  # what the browser logged: refused by policy, not found, errors
        self._events: list[str] = []

    async def does(self, method: str, **params: Any) -> dict[str, Any]:
        """One command; its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = await asyncio.wait_for(self._socket.receive_json(), PATIENCE)
            if said.get("id") == number:
                assert "error" not in said, said["error"]
                return said["result"]
            self._hear(said)

    async def goes(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        self._events.clear()
        await self.does("Page.navigate", url=url)
        await self.loaded()

    async def loaded(self) -> None:
        """Wait until what was begun has loaded."""
        while "Page.loadEventFired" not in self._events:
            self._hear(await asyncio.wait_for(self._socket.receive_json(), PATIENCE))
        self._events.clear()

    async def looks(self, *, width: int, dark: bool, height: int = 900) -> None:
        """As wide as a screen or a phone, light or dark."""
        await self.does("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.does("Emulation.setEmulatedMedia", features=[scheme])

    async def says(self, expression: str) -> Any:
        """The value of a script, which the page's own policy does not concern."""
        found = await self.does("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def shot(self, path: Path) -> None:
        """The whole page as a picture."""
        found = await self.does("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def _hear(self, said: dict[str, Any]) -> None:
        self._events.append(said.get("method", ""))
        if said.get("method") == "Log.entryAdded":
            self.complaints.append(said["params"]["entry"]["text"])


@asynccontextmanager
async def tab():
    """An open browser with one empty page, gone when the block ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser(), *ARGUMENTS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            port = await asyncio.wait_for(asyncio.to_thread(_port, process), PATIENCE)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = [one for one in await answer.json() if one["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    opened = Tab(socket)
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await opened.does(f"{domain}.enable")
                    yield opened
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the group of the session that was started here
            process.wait()
            process.stderr.close()


def _port(process: subprocess.Popen[str]) -> str:
    for line in process.stderr:
        if found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line):
            return found[1]
    raise AssertionError("Chromium ended before it listened")
