"""An account's cross-signing identity, with which it vouches for its own devices.

Clients hide what comes from a device that its own account does not vouch for (MSC4153), and people cannot do that
for a daemon by comparing emoji. So an account that has no identity gets one here, kept beside the device's keys; where
a person made the identity in their own client, only that client can vouch. Knows no rooms and no messages.

https://spec.matrix.org/latest/client-server-api/#cross-signing
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from monitor.errors import DeliveryError, DeliveryErrorKind

Post = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""One POST as our user, confirmed with our password where the server asks; raises DeliveryError."""

_USES = ("master", "self_signing", "user_signing")


def vouched(known: dict[str, Any], user: str, device: str) -> bool:
    """Whether the account vouches for its device, by what `/keys/query` answered."""
    signer = _published(known, "self_signing", user)
    signatures = _device(known, user, device).get("signatures", {}).get(user, {})
    return bool(signer) and f"ed25519:{signer}" in signatures


async def vouch(
    post: Post, known: dict[str, Any], *, user: str, device: str, folder: Path, renew: bool = False
) -> bool:
    """Have the account vouch for its device; makes the account's identity where it has none, or (`renew`) where
    somebody else holds it: people who verified that one are then warned.

    Returns False where somebody else holds the identity. Raises DeliveryError.
    """
    keys = _load(folder, user)
    theirs = _published(known, "master", user)
    if theirs and (keys is None or theirs != _public(keys["master"])):
        if not renew:
            return False
        theirs = ""
    if not theirs:
        keys = keys or _make(folder, user)
        await post("/keys/device_signing/upload", _identity(keys, user))
    await _sign_device(post, _device(known, user, device), keys["self_signing"], user=user, device=device)
    return True


async def _sign_device(post: Post, shown: dict[str, Any], key: Any, *, user: str, device: str) -> None:
    bare = {name: value for name, value in shown.items() if name not in ("signatures", "unsigned")}
    said = await post("/keys/signatures/upload", {user: {device: _signed(bare, key, user)}})
    if said.get("failures"):
        raise DeliveryError("the homeserver did not take the device's signature", kind=DeliveryErrorKind.CHANNEL)


def _published(known: dict[str, Any], use: str, user: str) -> str:
    keys = known.get(f"{use}_keys", {}).get(user, {}).get("keys", {})
    return str(next(iter(keys.values()), ""))


def _device(known: dict[str, Any], user: str, device: str) -> dict[str, Any]:
    return known.get("device_keys", {}).get(user, {}).get(device, {})


# ── the keys ─────────────────────────────────────────────────────────────────────────────────────


def _identity(keys: dict[str, Any], user: str) -> dict[str, Any]:
    """The three public keys as they are published; the master key vouches for the other two."""
    shown = {use: {"user_id": user, "usage": [use], "keys": _named(keys[use])} for use in _USES}
    signed = {use: _signed(shown[use], keys["master"], user) for use in _USES[1:]}
    return {f"{use}_key": key for use, key in (shown | signed).items()}


def _signed(what: dict[str, Any], key: Any, user: str) -> dict[str, Any]:
    canonical = json.dumps(what, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    signature = key.sign(canonical.encode()).to_base64()
    return {**what, "signatures": {user: {f"ed25519:{_public(key)}": signature}}}


def _public(key: Any) -> str:
    return key.ed25519_key.to_base64()


def _named(key: Any) -> dict[str, str]:
    return {f"ed25519:{_public(key)}": _public(key)}


def _make(folder: Path, user: str) -> dict[str, Any]:
    """Three new keys, on disk before anybody hears of them. Vodozemac gives Ed25519 signing keys only as part
    of an account, of which nothing else is used."""
    import vodozemac

    keys = {use: vodozemac.Account() for use in _USES}
    path = _path(folder, user)
    path.touch(mode=0o600)
    path.write_text(json.dumps({use: key.pickle(_lock(user)) for use, key in keys.items()}))
    return keys


def _load(folder: Path, user: str) -> dict[str, Any] | None:
    import vodozemac

    path = _path(folder, user)
    if not path.exists():
        return None
    failed = ""
    try:
        held = json.loads(path.read_text())
        return {use: vodozemac.Account.from_pickle(held[use], _lock(user)) for use in _USES}
    except (OSError, ValueError, KeyError, TypeError, vodozemac.PickleException) as cause:
        failed = type(cause).__name__
    raise DeliveryError(f"the identity in {path} cannot be read ({failed})", kind=DeliveryErrorKind.CHANNEL)


def _path(folder: Path, user: str) -> Path:
    return folder / f"identity-{hashlib.sha256(user.encode()).hexdigest()[:16]}.json"


def _lock(user: str) -> bytes:
    """Pickles want a key; what keeps these secret is that the folder is ours alone."""
    return hashlib.sha256(user.encode()).digest()
