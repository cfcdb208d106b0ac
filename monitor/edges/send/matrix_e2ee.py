"""End-to-end encryption for Matrix rooms, by matrix-nio (the extra `matrix-e2ee`).

Turns an event into its encrypted form: publishes our device's keys once, asks who is in the room and with
which devices, and hands the room's key to all of them, anew whenever one comes or goes. Asks before each
message, as a sender that reads nothing hears of no change. Trusts every device that the homeserver names: a
daemon has nobody to compare emoji with. Does not send events, does not decrypt and answers no key requests.

The keys live in a folder of their own, one device for ever. Where that folder is lost, other clients would
see a device whose keys changed and hide what it sends; so that is refused, with the way out.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monitor.edges.send import matrix_identity
from monitor.edges.send.matrix_identity import Post
from monitor.errors import DeliveryError, DeliveryErrorKind

Ask = Callable[[str, str, dict[str, Any] | None], Awaitable[dict[str, Any]]]
"""One request to the homeserver as our user: method, path below `/_matrix/client/v3`, body; raises DeliveryError."""


_WAY_LASTS = timedelta(days=7)  # ours: as long as a room's key lasts at most


def available() -> bool:
    """Whether the extra is installed."""
    try:
        import nio.crypto
    except ImportError:
        return False
    return bool(nio.crypto.ENCRYPTION_ENABLED)


class Encryption:
    """Encrypts for rooms as one device of one user."""

    unvouched = False
    """Whether the account does not vouch for our device, so that many clients hide what it sends."""

    def __init__(self, ask: Ask, post: Post, *, user: str, device: str, folder: Path, renew_identity: bool = False):
        """Opens or makes the device's keys in `folder`; `renew_identity` replaces an identity of the account that is
        not there. Raises DeliveryError where the folder cannot be written."""
        self._ask, self._post, self._renew = ask, post, renew_identity
        self._user, self._device, self._folder = user, device, folder
        self._olm = _open(user, device, folder)
        self._published = self._settled = False
        self._turn = asyncio.Lock()

    async def encrypt(self, room: str, event: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
        """The content of the `m.room.encrypted` event that carries `event`. `rules` is the room's
        `m.room.encryption` state. Raises DeliveryError."""
        async with self._turn:
            await self._publish()
            users = await self._members(room)
            await self._learn_devices(users)
            if self._must_share(room, users):
                await self._share(room, users, rules)
            related = {"m.relates_to": event["m.relates_to"]} if "m.relates_to" in event else {}
            inner = {key: value for key, value in event.items() if key != "m.relates_to"}
            return self._olm.group_encrypt(room, {"type": "m.room.message", "content": inner}) | related

    # our device

    async def _publish(self) -> None:
        """Make our keys known, once; first make sure that no other keys are known under our name."""
        if not self._published:
            keys = (await self._known())["device_keys"].get(self._user, {}).get(self._device, {}).get("keys", {})
            theirs = keys.get(f"ed25519:{self._device}")
            if theirs and theirs != self._olm.account.identity_keys["ed25519"]:
                raise DeliveryError(_lost(self._device), kind=DeliveryErrorKind.CHANNEL)
            if not (theirs and self._olm.account.shared):
                await self._upload()
            self._published = True
        if not self._settled:
            await self._vouch()

    async def _known(self) -> dict[str, Any]:
        said = await self._ask("POST", "/keys/query", {"device_keys": {self._user: []}})
        return {"device_keys": {}, **said}

    async def _upload(self) -> None:
        import nio

        self._olm.account.shared = False
        said = await self._ask("POST", "/keys/upload", self._olm.share_keys())
        counts = {"curve25519": 0, "signed_curve25519": 0, **said.get("one_time_key_counts", {})}
        self._olm.handle_response(nio.KeysUploadResponse.from_dict({"one_time_key_counts": counts}))

    async def _vouch(self) -> None:
        """Have our account vouch for our device. An alert goes out even where it does not; it is tried again where
        that was for want of the server."""
        known = await self._known()
        try:
            whose = {"user": self._user, "device": self._device}
            done = matrix_identity.vouched(known, **whose) or await matrix_identity.vouch(
                self._post, known, **whose, folder=self._folder, renew=self._renew
            )
        except DeliveryError as error:
            done, self._settled = False, error.kind is not DeliveryErrorKind.RETRY
        else:
            self._settled = True
        self.unvouched = not done

    # theirs

    async def _members(self, room: str) -> list[str]:
        """Who can read the room, or will be able to once they accept their invitation."""
        said = await self._ask("GET", f"/rooms/{quote(room, safe='')}/members?not_membership=leave", None)
        events = said.get("chunk") or ()
        users = {e["state_key"] for e in events if e.get("content", {}).get("membership") in ("join", "invite")}
        if self._user not in users:  # a list without us is not whole, and whoever is missing could not read
            raise DeliveryError("the homeserver does not say who is in the room")
        return sorted(users)

    async def _learn_devices(self, users: list[str]) -> None:
        """Learn of devices that came and went, and open a way to each that we have none to."""
        import nio

        said = await self._ask("POST", "/keys/query", {"device_keys": {user: [] for user in users}})
        devices = nio.KeysQueryResponse.from_dict(said)
        if not isinstance(devices, nio.KeysQueryResponse):
            raise DeliveryError("the homeserver does not say which devices are in the room")
        self._olm.handle_response(devices)
        wanted = self._unreached(users)
        if wanted:
            said = await self._ask("POST", "/keys/claim", {"one_time_keys": wanted})
            self._olm.handle_response(nio.KeysClaimResponse.from_dict(said))

    def _unreached(self, users: list[str]) -> dict[str, dict[str, str]]:
        """Devices to open a way to, as `/keys/claim` wants them: those without, and those whose way is old. A device
        that lost its end of it says so only to those who read, and would never get a key again."""
        wanted: dict[str, dict[str, str]] = {}
        for device in (one for user in users for one in self._olm.device_store.active_user_devices(user)):
            way = self._olm.session_store.get(device.curve25519)
            old = way is None or datetime.now() - way.creation_time > _WAY_LASTS
            if old and (device.user_id, device.id) != (self._user, self._device):
                wanted.setdefault(device.user_id, {})[device.id] = "signed_curve25519"
        return wanted

    # the room's key

    def _reachable(self, users: list[str]) -> set[tuple[str, str]]:
        """Every device, of those users, to which a key can be handed."""
        store = self._olm.device_store
        devices = (device for user in users for device in store.active_user_devices(user))
        ours = (self._user, self._device)
        found = {(d.user_id, d.id) for d in devices if self._olm.session_store.get(d.curve25519)}
        return found - {ours}

    def _must_share(self, room: str, users: list[str]) -> bool:
        """Whether there is no key, or it served its time, or one came who has none or left who has."""
        session = self._olm.outbound_group_sessions.get(room)
        return (
            session is None
            or not session.shared
            or bool(session.expired)
            or session.users_shared_with != self._reachable(users)
        )

    async def _share(self, room: str, users: list[str], rules: dict[str, Any]) -> None:
        """Make a new key for the room and hand it to everyone's devices."""
        with self._alone():
            # another process (test-channel beside the daemon) may have talked to these devices since
            self._olm.session_store = self._olm.store.load_sessions()
            self._olm.create_outbound_group_session(room)
            session = self._olm.outbound_group_sessions[room]
            _obey(session, rules)
            for devices, messages in self._olm.share_group_session_parallel(
                room, users, ignore_unverified_devices=True
            ):
                await self._ask("PUT", f"/sendToDevice/m.room.encrypted/{uuid.uuid4().hex}", messages)
                session.users_shared_with |= devices
            session.mark_as_shared()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else uses this device's sessions meanwhile: a key of theirs used twice cannot be read."""
        with (self._folder / f"{self._device}.lock").open("w") as lock:
            busy = False
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                busy = True
            if busy:
                raise DeliveryError("another process is handing out this device's keys")
            yield

    def close(self) -> None:
        """Close the store of keys."""
        self._olm.store.database.close()


def _open(user: str, device: str, folder: Path) -> Any:
    for name in ("nio", "peewee"):  # at DEBUG peewee prints what it stores: keys
        logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.getLogger(name).propagate = False
    from nio.crypto import Olm
    from nio.store import SqliteStore
    from peewee import PeeweeException

    failed = ""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind in ("db", "lock"):
            (folder / f"{device}.{kind}").touch(mode=0o600)
        return Olm(user, device, SqliteStore(user, device, str(folder), database_name=f"{device}.db"))
    except (OSError, PeeweeException, ValueError) as cause:
        failed = type(cause).__name__
    raise DeliveryError(f"the keys in {folder} cannot be used ({failed})", kind=DeliveryErrorKind.CHANNEL)


def _lost(device: str) -> str:
    return (
        f"the keys of the device {device} are not in the key folder any more: put the folder back, or remove that "
        "device from the account (in its list of sessions), and a new one is made"
    )


def _obey(session: Any, rules: dict[str, Any]) -> None:
    """Let a room say sooner than the default (100 messages, 7 days) when its key has served its time."""
    messages, milliseconds = rules.get("rotation_period_msgs"), rules.get("rotation_period_ms")
    if isinstance(messages, int) and 0 < messages < session.max_messages:
        session.max_messages = messages
    if isinstance(milliseconds, int) and 0 < milliseconds < session.max_age / timedelta(milliseconds=1):
        session.max_age = timedelta(milliseconds=milliseconds)
