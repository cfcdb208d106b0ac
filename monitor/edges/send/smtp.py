"""One SMTP transaction, and what its answers mean.

Connects, secures, logs in and hands in one mail for one recipient. Never sends mail or credentials over a
connection that was to be secured and could not be. Does not know what is in the mail, and does not retry.

What an SMTP answer means; its first digit counts (2, for DATA 3, is a yes; 4 is always: again later):

    stage                       answer                          outcome
    greeting, EHLO, STARTTLS    5xx, no STARTTLS, bad certificate   channel broken
    AUTH                        5xx (535, 534 …), no AUTH       channel broken
    MAIL FROM                   552 (too large)                 this message
                                5xx                             channel broken: every mail has this sender
    RCPT TO                     530, or "relay" in the words    channel broken
                                5xx (550 unknown)               this message: the other recipients are well
    DATA, after the final dot   530, 535                        channel broken
                                5xx (552, 554 content)          this message
    connection lost             before the final dot            again later: no server may have taken it
                                after it, without an answer     ambiguous (RFC 1047)
    any other answer            before the final dot            again later
                                after it                        ambiguous
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any

from monitor.edges.send.lines import Lines
from monitor.edges.send.outcome import quoted
from monitor.errors import DeliveryError, DeliveryErrorKind
from monitor.model import Sent

_LINE = 8192  # bytes of one line that are kept
_LINES = 100  # of one reply


class Stage(IntEnum):
    """How far a conversation came; what a failure means hangs on it."""

    CONNECT = 0  # connection, greeting, EHLO, TLS
    AUTH = 1
    SENDER = 2
    RECIPIENT = 3
    DATA = 4  # the mail is on its way, its final dot is not
    DOT = 5  # the whole mail was written: from here on the server may have it


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where and how to hand in mail."""

    host: str
    port: int
    secure: str  # "insecure", "starttls" or "ssl", as Apprise names them
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    verified: bool = True


def kind_of_answer(stage: Stage, code: int, words: str = "") -> DeliveryErrorKind:
    """Outcome class of an SMTP refusal (`code`, `words`) at a stage: the table above."""
    if not 400 <= code < 600 and stage is Stage.DOT:
        return DeliveryErrorKind.AMBIGUOUS
    if not 500 <= code < 600:
        return DeliveryErrorKind.RETRY
    if code in (530, 534, 535, 538):
        return DeliveryErrorKind.CHANNEL
    if stage is Stage.SENDER:
        return DeliveryErrorKind.MESSAGE if code == 552 else DeliveryErrorKind.CHANNEL
    if stage is Stage.RECIPIENT and "relay" in words.lower():
        return DeliveryErrorKind.CHANNEL
    return DeliveryErrorKind.MESSAGE if stage >= Stage.RECIPIENT else DeliveryErrorKind.CHANNEL


class _Refused(Exception):
    def __init__(self, code: int, words: bytes | str):
        super().__init__(code)
        self.code = code
        self.words = words.decode("utf-8", "replace") if isinstance(words, bytes) else words


class _Smtp(smtplib.SMTP):
    """smtplib's client with a reader of its own, as smtplib makes a 500 of a line that is long, and a reply of one
    that breaks off. Shows its socket to `opened` before the server has spoken."""

    opened: Callable[[socket.socket], None]

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._host = host  # which smtplib keeps only where it connects while it is made
        sock = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self.opened(sock)
        return sock

    def getreply(self) -> tuple[int, bytes]:
        """The code and the words of one reply; -1 and all of it where it is none."""
        words: list[bytes] = []
        while True:
            line = self._line()
            if not re.match(rb"[2-5][0-9]{2}(?![^\s-])", line):
                return -1, line.strip()
            words = [*words, line[4:].strip()][:_LINES]
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(words)

    def _line(self) -> bytes:
        """One line, of which what is too long is left out."""
        if self.file is None and self.sock is not None:
            self.file = self.sock.makefile("rb")
        line = rest = self._read()
        while not rest.endswith(b"\n"):
            rest = self._read()
        return line

    def _read(self) -> bytes:
        read = self.file.readline(_LINE) if self.file is not None else b""
        if not read:
            self.close()
            raise smtplib.SMTPServerDisconnected("broke off")
        return read


class _SmtpSsl(smtplib.SMTP_SSL, _Smtp):
    """The same over TLS from the start."""


class Conversation:
    """One SMTP transaction. Blocks, so it runs in a thread; `hang_up` may be called from another."""

    def __init__(self, server: Server, seconds: float):
        self.stage = Stage.CONNECT
        self._server, self._seconds = server, seconds
        self._smtp: smtplib.SMTP | None = None
        self._lines = Lines()

    def hold(self, mail: bytes, sender: str, recipient: str) -> Sent | DeliveryError:
        """Hand in one mail for one recipient; returns how it ended, raises nothing foreseeable."""
        try:
            words = self._transact(mail, sender, recipient)
        except _Refused as refusal:
            return self._refusal(refusal.code, refusal.words)
        except smtplib.SMTPResponseException as refusal:
            return self._refusal(refusal.smtp_code, refusal.smtp_error)
        except ssl.SSLCertVerificationError:
            return DeliveryError("the mail server's certificate is not trusted", kind=DeliveryErrorKind.CHANNEL)
        except smtplib.SMTPNotSupportedError:
            return DeliveryError(_unsupported(self.stage), kind=DeliveryErrorKind.CHANNEL)
        except (OSError, smtplib.SMTPException, ValueError) as cause:
            return self.broken("timed out" if self._lines.over else type(cause).__name__)
        finally:
            self._goodbye()
        return Sent(answer=quoted(words, self._secrets()))

    def broken(self, what: str) -> DeliveryError:
        """The error for a conversation that ended without an answer."""
        if self.stage is Stage.DOT:
            words = f"no answer after the whole mail was written ({what})"
            return DeliveryError(words, kind=DeliveryErrorKind.AMBIGUOUS)
        return DeliveryError(f"the mail server was lost before the mail was handed in ({what})")

    def hang_up(self) -> None:
        """Break the connection from another thread: whatever waits on it ends at once, and none is opened later."""
        self._lines.hang_up()

    def _transact(self, mail: bytes, sender: str, recipient: str) -> bytes:
        smtp = self._connect()
        self.stage = Stage.AUTH
        if self._server.user and self._server.password:
            smtp.login(self._server.user, self._server.password)
        smtp.ehlo_or_helo_if_needed()
        self.stage = Stage.SENDER
        _expect(2, smtp.mail(sender, [f"size={len(mail)}"] if smtp.has_extn("size") else []))
        self.stage = Stage.RECIPIENT
        _expect(2, smtp.rcpt(recipient))
        self.stage = Stage.DATA
        _expect(3, smtp.docmd("DATA"))
        smtp.send(_dotted(mail))
        self.stage = Stage.DOT
        return _expect(2, smtp.getreply())

    def _connect(self) -> smtplib.SMTP:
        context = _tls(self._server)
        if self._server.secure == "ssl":
            smtp: _Smtp = _SmtpSsl(timeout=self._seconds, context=context)
        else:
            smtp = _Smtp(timeout=self._seconds)
        smtp.opened = self._lines.opened
        self._smtp = smtp
        _expect(2, smtp.connect(self._server.host, self._server.port))
        if self._server.secure == "starttls":
            smtp.starttls(context=context)
        return smtp

    def _refusal(self, code: int, words: bytes | str) -> DeliveryError:
        said = quoted(words, self._secrets())
        kind = kind_of_answer(self.stage, code, said)
        said = f"{code} {said}" if code > 0 else said or "an empty line"
        return DeliveryError(f"the mail server said {said} ({self.stage.name.lower()})", kind=kind)

    def _secrets(self) -> tuple[str, ...]:
        user, password = self._server.user or "", self._server.password or ""
        return (password, f"\0{user}\0{password}") if password else ()

    def _goodbye(self) -> None:
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.putcmd("quit")
            self._smtp.close()
        self._lines.close()


@cache
def _tls(server: Server) -> ssl.SSLContext:
    """One a server: reading the system's certificates costs more than sending a mail."""
    context = ssl.create_default_context()
    if not server.verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _expect(digit: int, reply: tuple[int, Any]) -> Any:
    code, words = reply
    if code // 100 != digit:  # RFC 5321 4.3.2: the other digits decide nothing
        raise _Refused(code, words)
    return words


def _unsupported(stage: Stage) -> str:
    lacks = "way to log in" if stage is Stage.AUTH else "STARTTLS, so neither mail nor password was sent"
    return f"the mail server offers no {lacks}"


def _dotted(mail: bytes) -> bytes:
    """The mail as DATA wants it (RFC 5321 4.5.2): lines that begin with a dot get another, and a
    line of one dot ends it."""
    body = re.sub(rb"(?m)^\.", b"..", mail)
    return (body if body.endswith(b"\r\n") else body + b"\r\n") + b".\r\n"
