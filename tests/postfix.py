"""A real Postfix with a real Dovecot for tests: submission in front, mailboxes read by IMAP behind.

`running_postfix()` starts both on loopback with configuration, queue and mailboxes in a temporary folder (nothing in
/etc or /var is read or written but the programs' own files), and stops them again. Postfix takes mail on a submission
port, by STARTTLS and for whom Dovecot knows, and hands it to Dovecot by LMTP. Both start as root only. Imports
nothing of ours.
"""

from __future__ import annotations

import imaplib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

DOMAIN = "desk.example"
BOXES = (f"editor@{DOMAIN}", f"night@{DOMAIN}")
NOBODY = f"nobody@{DOMAIN}"  # Postfix refuses this one with 550
USER, PASSWORD = "wirewatch", "right-p4ssword"
PATIENCE = 30.0  # seconds for a start, and for a mail to come through; only a broken one needs them


def missing() -> str:
    """Why the servers cannot be started here, or ""."""
    lacking = [name for name in ("postfix", "dovecot", "openssl") if shutil.which(name, path=_path()) is None]
    if lacking:
        return f"no {', '.join(lacking)}: apt install postfix dovecot-imapd dovecot-lmtpd openssl"
    if os.geteuid() != 0:
        return "Postfix and Dovecot start as root only"
    version = _run("dovecot", "--version").split()[0]
    return "" if version.startswith("2.3") else f"the test's configuration is for Dovecot 2.3, here is {version}"


class MailServers:
    """Both, running."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port, self._imap = _free_port(), _free_port()
        self.authority = folder / "authority.crt"  # who signed the certificate; nobody trusts it unless told to

    def url(self, *recipients: str, password: str = PASSWORD) -> str:
        """These recipients as a channel URL of Wirewatch's own account."""
        to = ",".join(recipients or BOXES)
        return f"mailtos://{USER}:{password}@localhost:{self.port}?to={to}&from={USER}@{DOMAIN}"

    def mails(self, box: str) -> list[EmailMessage]:
        """What is in a mailbox, as a mail client gets it, oldest first."""
        with imaplib.IMAP4("127.0.0.1", self._imap) as client:
            client.login(box, PASSWORD)
            client.select("INBOX", readonly=True)
            _, (numbers,) = client.search(None, "ALL")
            fetched = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers.split()]
        return [message_from_bytes(mail, policy=default) for mail in fetched]

    def log(self) -> str:
        """What both said."""
        logs = (self.folder / name for name in ("postfix.log", "dovecot.log", "out.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs if log.exists())


@contextmanager
def running_postfix() -> Iterator[MailServers]:
    """The two servers with their mailboxes. Raises RuntimeError with their log where they do not start."""
    with ExitStack() as stack:
        # Not pytest's folder: the servers drop root, and only root may enter that one. Short: sockets' paths are.
        folder = Path(tempfile.mkdtemp(prefix="mail-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        servers = MailServers(folder)
        _certificate(folder)
        _configure_dovecot(folder, servers._imap)
        _configure_postfix(folder, servers.port)
        stack.enter_context(_process(servers, "dovecot", "-F", "-c", str(folder / "dovecot.conf")))
        stack.enter_context(_process(servers, "postfix", "-c", str(folder / "postfix"), "start-fg"))
        stack.callback(_run, "postfix", "-c", str(folder / "postfix"), "stop")  # it is no child of the start
        for port, greeting in ((servers._imap, b"* OK"), (servers.port, b"220")):
            _wait_for(servers, port, greeting)
        yield servers


# ── Postfix ──────────────────────────────────────────────────────────────────────────────────────


def _configure_postfix(folder: Path, port: int) -> None:
    for name in ("postfix", "queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "boxes").write_text("".join(f"{box} here\n" for box in BOXES))
    main = {
        "compatibility_level": "3.6",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "maillog_file": folder / "postfix.log",
        "maillog_file_prefixes": folder,
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "myhostname": f"mx.{DOMAIN}",
        "mydestination": "",
        "alias_maps": "",
        "relay_transport": "error:this server relays nothing",
        "default_transport": "error:this server relays nothing",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_maps": f"texthash:{folder / 'boxes'}",
        "virtual_transport": f"lmtp:unix:{folder / 'lmtp'}",
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_cert_file": folder / "server.crt",
        "smtpd_tls_key_file": folder / "server.key",
        "smtpd_tls_auth_only": "yes",
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": f"unix:{folder / 'login'}",
        "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
    }
    services = {
        f"127.0.0.1:{port} inet": "n - n - - smtpd",
        "pickup unix": "n - n 60 1 pickup",
        "cleanup unix": "n - n - 0 cleanup",
        "qmgr unix": "n - n 300 1 qmgr",
        "tlsmgr unix": "- - n 1000? 1 tlsmgr",
        "rewrite unix": "- - n - - trivial-rewrite",
        "bounce unix": "- - n - 0 bounce",
        "defer unix": "- - n - 0 bounce",
        "error unix": "- - n - - error",
        "lmtp unix": "- - n - - lmtp",
        "anvil unix": "- - n - 1 anvil",
        "proxymap unix": "- - n - - proxymap",
        "postlog unix-dgram": "n - n - 1 postlogd",
    }
    (folder / "postfix/main.cf").write_text("".join(f"{key} = {value}\n" for key, value in main.items()))
    (folder / "postfix/master.cf").write_text("".join(f"{name} {rest}\n" for name, rest in services.items()))


# ── Dovecot ──────────────────────────────────────────────────────────────────────────────────────

_DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0600
    user = postfix
  }}
}}
service auth {{
  unix_listener {folder}/login {{
    mode = 0600
    user = postfix
  }}
}}
"""


def _configure_dovecot(folder: Path, port: int) -> None:
    (folder / "mail").mkdir()
    shutil.chown(folder / "mail", "mail", "mail")
    (folder / "users").write_text("".join(f"{name}:{PASSWORD}\n" for name in (USER, *BOXES)))
    (folder / "dovecot.conf").write_text(_DOVECOT.format(folder=folder, port=port))


# ── both ─────────────────────────────────────────────────────────────────────────────────────────


def _certificate(folder: Path) -> None:
    """An authority of our own, and a certificate for localhost that it signed."""
    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    ca = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
    leaf = "-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost"
    signed = f"-CA {folder}/authority.crt -CAkey {folder}/authority.key"
    for name, subject, rest in (("authority", "Test", ca), ("server", "localhost", f"{leaf} {signed}")):
        out = f"-keyout {folder}/{name}.key -out {folder}/{name}.crt"
        _run(*f"openssl req -x509 {key} -subj /CN={subject} {rest} {out}".split())


@contextmanager
def _process(servers: MailServers, *command: str) -> Iterator[None]:
    with (servers.folder / "out.log").open("ab") as log:
        program = shutil.which(command[0], path=_path())
        process = subprocess.Popen([program, *command[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(servers: MailServers, port: int, greeting: bytes) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as talk:
                if talk.recv(200).startswith(greeting):
                    return
        except OSError:
            pass
        time.sleep(0.1)  # processes of their own: there is nothing to wait on
    raise RuntimeError("the mail servers did not start:\n" + servers.log()[-3000:])


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _path()})
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr}")
    return done.stdout


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
