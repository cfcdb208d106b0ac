"""A real Synapse homeserver for tests: SQLite in a temporary folder, loopback only, two users and a room.

`running_synapse()` finds the program in `.synapse-venv/` of the project or in `/opt/synapse`, starts it, and
stops it again. Imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

SERVER_NAME = "wirewatch.test"
PATIENCE = 60  # seconds for a start on a slow machine; 5 s on a quick one

_PLACES = (Path(__file__).parent.parent / ".synapse-venv/bin/python", Path("/opt/synapse/bin/python"))
_SECRET = "only-for-tests"
_ALL = {"per_second": 100, "burst_count": 100}


def synapse_python() -> Path | None:
    """The interpreter that has Synapse, or None where it is not installed."""
    return next((place for place in _PLACES if place.exists()), None)


class Synapse:
    """A running homeserver with the users `bot` and `reader`, both in one room that `reader` made."""

    def __init__(self, port: int):
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        for user in ("bot", "reader"):
            self._register(user)
        self._reader = self._login("reader")
        self.alias = f"#desk:{SERVER_NAME}"
        made = self.call("POST", "/createRoom", {"room_alias_name": "desk", "invite": [f"@bot:{SERVER_NAME}"]})
        self.room = made["room_id"]

    def url(self, *rooms: str) -> str:
        """These rooms (default: the room) as a channel URL of the bot."""
        path = "/".join(room.replace("#", "%23") for room in rooms or (self.room,))
        return f"matrix://bot:{self.password('bot')}@127.0.0.1:{self.port}/{path}"

    @staticmethod
    def password(user: str) -> str:
        """A user's password."""
        return f"{user}-p4ssword"

    def messages(self, room: str | None = None) -> list[dict[str, Any]]:
        """The message events of a room, oldest first, as the reader's client gets them."""
        path = f"/rooms/{quote(room or self.room, safe='')}/messages?dir=b&limit=200"
        events = self.call("GET", path)["chunk"]
        return [event for event in reversed(events) if event["type"] == "m.room.message"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, token: str | None = None) -> Any:
        """One request to the client-server API as the reader (or by `token`); raises on a refusal."""
        auth = {"Authorization": f"Bearer {token or self._reader}"}
        return _request(method, f"{self.base}/_matrix/client/v3{path}", body, auth)

    def _login(self, user: str) -> str:
        who = {"type": "m.id.user", "user": user}
        body = {"type": "m.login.password", "identifier": who, "password": self.password(user)}
        return _request("POST", f"{self.base}/_matrix/client/v3/login", body, {})["access_token"]

    def _register(self, user: str) -> None:
        url = f"{self.base}/_synapse/admin/v1/register"
        nonce = _request("GET", url, None, {})["nonce"]
        signed = "\0".join((nonce, user, self.password(user), "notadmin"))
        mac = hmac.new(_SECRET.encode(), signed.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": user, "password": self.password(user), "admin": False, "mac": mac}
        _request("POST", url, body, {})


@contextmanager
def running_synapse(folder: Path, *, limits: bool = True) -> Iterator[Synapse]:
    """A homeserver with its files in `folder`; without `limits` it lets everybody send and join as fast as they like.
    Raises RuntimeError with its log where it does not start."""
    python = synapse_python()
    if python is None:
        raise RuntimeError("Synapse is not installed")
    port = _free_port()
    config = folder / "homeserver.yaml"
    freedom = {} if limits else {"rc_message": _ALL, "rc_room_creation": _ALL, "rc_joins": {"local": _ALL, "remote": _ALL}}
    config.write_text(json.dumps(_config(folder, port) | freedom))  # JSON is YAML
    command = [str(python), "-m", "synapse.app.homeserver", "-c", str(config)]
    subprocess.run([*command, "--generate-keys"], cwd=folder, check=True, capture_output=True)
    with (folder / "out.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        _wait_until_up(process, port, folder)
        yield Synapse(port)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _config(folder: Path, port: int) -> dict[str, Any]:
    logs = {
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(folder / "synapse.log")}},
        "root": {"level": "WARNING", "handlers": ["file"]},
        "disable_existing_loggers": False,
    }
    (folder / "logging.yaml").write_text(json.dumps(logs))
    resources = [{"names": ["client"], "compress": False}]
    return {
        "server_name": SERVER_NAME,
        "listeners": [
            {"port": port, "tls": False, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": resources}
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "synapse.db")}},
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "log_config": str(folder / "logging.yaml"),
        "pid_file": str(folder / "synapse.pid"),
        "registration_shared_secret": _SECRET,
        "report_stats": False,
        "trusted_key_servers": [],
        "rc_login": {"address": _ALL, "account": _ALL},
    }


def _wait_until_up(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _request("GET", f"http://127.0.0.1:{port}/_matrix/client/versions", None, {})
        except OSError:
            time.sleep(0.1)  # a process of its own: there is nothing to wait on
        else:
            return
    raise RuntimeError("Synapse did not start:\n" + (folder / "out.log").read_text()[-2000:])


def _request(method: str, url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
