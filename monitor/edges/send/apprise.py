"""Every other channel, through Apprise; and Apprise's reading of URLs for the senders of our own.

Makes one fresh Apprise object a send and learns from the HTTP exchange what Apprise keeps to itself:
status and Retry-After. Lets Apprise neither retry, sleep, follow redirects, load plug-ins, store
anything nor log. There is no key against doubles here; a URL that names several targets is one
delivery, so write one channel a target where that matters.

    what was heard on the wire                  outcome
    2xx, or Apprise's yes without a request     accepted
    400, 413, 414, 415, 422, 431                this message
    401, 403, 404, 405, 407, 410, a redirect    channel broken
    a certificate that is not trusted           channel broken
    an address that is none                     channel broken
    429, 408, 5xx, any other status             again later, when Retry-After says
    no connection                               again later
    lost after the request had left, timed out  ambiguous
    a 2xx but 200 that Apprise takes for a no   ambiguous
    a no without any request, a plug-in's fault again later
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from monitor.edges.send import layout
from monitor.edges.send.lines import Lines
from monitor.edges.send.outcome import http_error
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Delivery, Sent

_MOST_STUCK = 8  # ours: sends of one channel that outlive their time; a channel with so many waits for one to end
_LIVE = re.compile(r"(?<!\w)@|\](?=\()|<(?=\S)")
_MACHINES = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})  # nothing is live in data
_LINE = 160  # characters of one alert in a digest: a headline and its address
_LEAST_LINES, _MOST_LINES = 3, 200  # ours: what an SMS tells of, and what a person still reads
_SECRET_LENGTH = 5  # ours: shorter parts (ports, "yes") are no secrets, and cutting them garbles answers


# ── reading URLs ─────────────────────────────────────────────────────────────────────────────────


def read_url(url: str) -> dict[str, Any] | None:
    """Apprise's own reading of a URL as a dictionary of its parts, or None where no service has it.
    Says nothing of it in any log."""
    _silence()
    from apprise.plugins import url_to_dict

    try:
        return url_to_dict(url, secure_logging=True)
    except ValueError:  # older Apprise lets urllib's own refusal of an odd host through
        return None


def count_addresses(parts: dict[str, Any]) -> int:
    """How many mail addresses a mailto URL's parts name, those counted that Apprise would drop."""
    from apprise.utils.parse import parse_emails

    written = [parts.get(key) or () for key in ("targets", "cc", "bcc")]
    return max(sum(len(parse_emails(some)) for some in written), str(written).count("@"))


def build(parts: dict[str, Any]) -> Any:
    """The Apprise plug-in for a URL's parts, set so that it does nothing but send, or None where
    the parts do not make a whole one."""
    import apprise

    plugin = apprise.Apprise.instantiate(parts, asset=_asset(apprise.AppriseAsset))
    if plugin is not None:
        plugin.throttle = lambda *_, **__: None  # it sleeps; pacing is the dispatcher's
        plugin.retry = 0
        plugin.optional = False  # else a failure would count as success
        plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
    return plugin


def _asset(kind: Any) -> Any:
    wanted = {
        "app_id": "wirewatch",
        "app_desc": "wirewatch",
        "app_url": "",
        "image_url_mask": "",  # no remote images
        "image_url_logo": "",
        "async_mode": False,
        "interpret_emojis": False,
        "interpret_escapes": False,
        "default_service_retry": 0,
        "http_redirects": False,
    }
    asset = kind(plugin_paths=None, storage_mode="memory", **{k: v for k, v in wanted.items() if hasattr(kind, k)})
    asset._service_timeout = 0  # one thread, ours; the send has its own deadline
    return asset


def _silence() -> None:
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


# ── watching the exchange ────────────────────────────────────────────────────────────────────────


@dataclass
class Exchange:
    """What happened on the wire during one send."""

    answers: list[Any] = field(default_factory=list)  # requests.Response, in order
    failure: DeliveryError | None = None  # of the last request, where it had no answer
    lines: Lines = field(default_factory=Lines, repr=False)


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
_installing = threading.Lock()


def _watch_requests() -> None:
    """Put our ear on `requests`, once a process. Whoever else uses it notices nothing."""
    import requests
    from urllib3.util import connection

    with _installing:
        if getattr(requests.Session.send, "by_wirewatch", False):
            return
        connection.create_connection = _kept(connection.create_connection)
        requests.Session.request = _unaided(requests.Session.request)  # type: ignore[method-assign]
        requests.Session.send = _overheard(requests.Session.send)  # type: ignore[method-assign]


def _unaided(request: Callable[..., Any]) -> Callable[..., Any]:
    """`Session.request` that takes neither proxy nor password from the environment."""

    def without_environment(session: Any, *args: Any, **kwargs: Any) -> Any:
        if _exchange.get() is not None:
            session.trust_env = False
        return request(session, *args, **kwargs)

    return without_environment


def _kept(connect: Callable[..., Any]) -> Callable[..., Any]:
    """urllib3's way to a socket that shows it to the exchange."""

    def with_handle(*args: Any, **kwargs: Any) -> Any:
        exchange, sock = _exchange.get(), connect(*args, **kwargs)
        if exchange is not None:
            exchange.lines.opened(sock)
        return sock

    return with_handle


def _overheard(send: Callable[..., Any]) -> Callable[..., Any]:
    """`Session.send` that notes answer or failure and follows no redirect."""
    import requests

    def with_ear(session: Any, prepared: Any, **kwargs: Any) -> Any:
        exchange = _exchange.get()
        if exchange is None:
            return send(session, prepared, **kwargs)
        exchange.failure = None
        if exchange.answers and exchange.answers[-1].status_code == 429:
            raise requests.RequestException("asked to wait")  # some plug-ins would try again at once
        try:
            answer = send(session, prepared, **(kwargs | {"allow_redirects": False}))
        except requests.RequestException as cause:
            exchange.failure = _network_failure(cause)
            raise
        exchange.answers.append(answer)
        return answer

    with_ear.by_wirewatch = True  # type: ignore[attr-defined]
    return with_ear


def _network_failure(cause: Exception) -> DeliveryError:
    """The error for a request without an answer; says the cause's type only, as its text holds the URL."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    reason = getattr(cause.args[0] if cause.args else None, "reason", None)
    if isinstance(cause, requests.exceptions.SSLError):
        return DeliveryError("the server's certificate is not trusted", kind=DeliveryErrorKind.CHANNEL)
    if isinstance(cause, requests.exceptions.ConnectTimeout) or isinstance(
        reason, NewConnectionError | ConnectTimeoutError
    ):
        return DeliveryError("no connection to the service", kind=DeliveryErrorKind.RETRY)
    if isinstance(cause, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return DeliveryError("the service's address is not valid", kind=DeliveryErrorKind.CHANNEL)
    return DeliveryError(f"{type(cause).__name__} after the message had left", kind=DeliveryErrorKind.AMBIGUOUS)


def judge(accepted: bool, exchange: Exchange, *, secrets: tuple[str, ...] = ()) -> Sent | DeliveryError:
    """What a send came to, of Apprise's yes or no and what was heard on the wire.

    A redirect is never a yes, whatever Apprise makes of it. `secrets` are kept out of quoted answers.
    """
    last = exchange.answers[-1] if exchange.answers else None
    if accepted and (last is None or not 300 <= last.status_code < 400):
        return Sent(answer=f"HTTP {last.status_code}" if last is not None else "accepted")
    if exchange.failure is not None:
        return exchange.failure
    refusals = [answer for answer in exchange.answers if not 200 <= answer.status_code < 300]
    if refusals:
        answer = refusals[-1]
        return http_error(answer.status_code, answer.text[:2000], answer.headers, secrets=secrets)
    if last is not None and last.status_code != 200:
        words = f"HTTP {last.status_code}, which the service is not known to say"
        return DeliveryError(words, kind=DeliveryErrorKind.AMBIGUOUS)
    return DeliveryError("the service did not accept it and did not say why", kind=DeliveryErrorKind.RETRY)


def _any_part(url: str) -> tuple[str, ...]:
    """Every part of a URL that may be secret. Which ones are, only the plug-in knows, so all of them."""
    found: set[str] = set()
    waiting: list[Any] = [read_url(url)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            waiting += [value for key, value in part.items() if key != "schema"]
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, str):
            found |= {piece for whole in (part, unquote(part)) for piece in (whole, *whole.split("/"))}
    return tuple(piece for piece in found if len(piece) >= _SECRET_LENGTH)


def inert(text: str) -> str:
    """`text` with a zero-width space where a chat service would see a mention, a link or a tag.

    Apprise hands plain text to services that read Markdown (Discord, Mattermost, …) as it is, so an
    outside `@everyone` would call everyone and `[bank](https://evil)` would be a link.
    """
    return _LIVE.sub(lambda found: found[0] + "\u200b", text)


# ── the sender ───────────────────────────────────────────────────────────────────────────────────


class AppriseSender:
    """Sends through the Apprise service that a URL names."""

    idempotent = False
    edits = False
    threads = False

    recipients: tuple[str, ...] = ("",)

    def __init__(self, name: str, url: str, *, timeout: timedelta):
        """Raises ValueError (without the secret) where Apprise does not know the URL."""
        plugin = build(read_url(url) or {"schema": ""})
        if plugin is None:
            raise ValueError(f"channel {name}: this {url.partition('://')[0]:.20}:// URL is not one that Apprise knows")
        self.digest_lines = min(max(plugin.body_maxlen // _LINE, _LEAST_LINES), _MOST_LINES)
        self._url, self._timeout = url, timeout.total_seconds()
        self._inert = str if url.partition("://")[0].lower() in _MACHINES else inert
        self._name = f"apprise-{name}"
        self._threads: list[threading.Thread] = []

    async def send(self, delivery: Delivery) -> Sent:
        """Send one message. Raises DeliveryError."""
        exchange = Exchange()
        working = asyncio.wrap_future(self._begin(delivery, exchange))
        try:
            done, _ = await asyncio.wait({working}, timeout=self._timeout)
        finally:
            exchange.lines.hang_up()
        if not done:
            raise DeliveryError("timed out; it may have been sent", kind=DeliveryErrorKind.AMBIGUOUS)
        outcome = working.result()
        if isinstance(outcome, DeliveryError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Nothing to let go of: threads end with what they do, or with the process."""

    def _begin(self, delivery: Delivery, exchange: Exchange) -> Future[Sent | DeliveryError]:
        """Send in a thread that no exit waits for: a few plug-ins go other ways than HTTP, which nobody can break."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= _MOST_STUCK:
            raise DeliveryError("too many earlier sends have not ended")
        outcome: Future[Sent | DeliveryError] = Future()
        work = threading.Thread(target=self._work, args=(delivery, exchange, outcome), name=self._name, daemon=True)
        work.start()
        self._threads.append(work)
        return outcome

    def _work(self, delivery: Delivery, exchange: Exchange, outcome: Future[Sent | DeliveryError]) -> None:
        try:
            outcome.set_result(self._send(delivery, exchange))
        except BaseException as cause:
            outcome.set_exception(cause)
        finally:
            exchange.lines.close()

    def _send(self, delivery: Delivery, exchange: Exchange) -> Sent | DeliveryError:
        import apprise

        _watch_requests()
        token = _exchange.set(exchange)
        try:
            accepted = self._service(apprise).notify(
                title=self._inert(layout.headline(delivery.message)),
                body=self._inert("\n\n".join(layout.paragraphs(delivery.message, under_headline=True))),
                body_format=apprise.NotifyFormat.TEXT,
                interpret_escapes=False,
            )
        except Exception as cause:  # plug-ins of 180 services raise whatever they like
            return exchange.failure or DeliveryError(f"the service's plug-in failed ({type(cause).__name__})")
        finally:
            _exchange.reset(token)
        return judge(bool(accepted), exchange, secrets=_any_part(self._url))

    def _service(self, apprise: Any) -> Any:
        plugin = build(read_url(self._url) or {})
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self._timeout
        service = apprise.Apprise(asset=plugin.asset)
        service.add(plugin)
        return service
