"""The whole line with the real program: sample feeds in, messages out on every kind of channel, across kill -9."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from monitor.demo.serve import sample_feeds
from tests.daemon import Daemon, wirewatch
from tests.fakes import FakeHttp, FakeMatrix, FakeSlack, FakeSmtp
from tests.fakeweb import FakeWeb
from tests.synapse import running_synapse, synapse_python

# Narrow enough for one story of the sample feeds, which six outlets carry.
WATCHLIST = """\
title = "Shells through Rajin"
threshold = 6
[scope]
languages = ["en"]
[[term]]
name = "port"
any = ["Rajin"]
weight = 3
required = true
[[term]]
any = ["UN panel", "United Nations panel", "containers"]
weight = 2
"""
CONFIG = """\
[polling]
allow_networks = ["127.0.0.0/8"]
host_gap = "0s"
per_host = 8
interval = "2s"
min_interval = "1s"
[web]
listen = ""
[channel.mail]
url = "{mail}"
[channel.slack]
url = "{slack}"
[channel.room]
url = "{matrix}"
[channel.hook]
url = "{hook}"
[[route]]
channels = ["mail", "slack", "room", "hook"]
group_wait = "1s"
"""
TTL = re.compile(rb"<(ttl|sy:update\w+)>[^<]*</\1>")


class Rig:
    """Feeds, channels of every kind, and a configuration that joins them."""

    def __init__(self, stack: ExitStack, folder, matrix_url, matrix_messages):
        self.web = stack.enter_context(FakeWeb())
        self.mail, self.slack, self.hook = (stack.enter_context(fake()) for fake in (FakeSmtp, FakeSlack, FakeHttp))
        self.matrix_messages = matrix_messages
        self.names = []
        for name, body in sample_feeds(datetime.now(UTC)).items():
            body = TTL.sub(b"", body)  # the test is in more of a hurry than the outlets
            self.web.page(f"/{name}").says(200, body, etag=f'"{name}"').knows_etags()
            self.names.append(name)
        (folder / "watchlists").mkdir()
        (folder / "watchlists" / "rajin.toml").write_text(WATCHLIST)
        feeds = "".join(f'[[feed]]\nname = "{n.partition(".")[0]}"\nurl = "{self.web.url("/" + n)}"\n' for n in self.names)
        self.config = folder / "config.toml"
        self.config.write_text(
            CONFIG.format(mail=self.mail.url_of("desk@example.org"), slack=self.slack.url, matrix=matrix_url, hook=self.hook.url) + feeds
        )
        self.daemon = stack.enter_context(Daemon(self.config))

    def counts(self):
        """How many messages each channel shows."""
        return len(self.mail.mails), len(self.slack.messages), len(self.matrix_messages()), len(self.hook.requests)

    def settled(self):
        """Whether every channel's acceptance is on record; a kill before that may cost a second copy, and is another test's."""
        return self.daemon.said().count('"outcome": "delivered"') >= 4

    def asked(self):
        """How often each feed was asked for."""
        return [len(self.web.asked(f"/{name}")) for name in self.names]

    def checked_again(self):
        """Wait until every feed has been asked for once more."""
        before = self.asked()
        self.daemon.wait_until(lambda: all(now > then for now, then in zip(self.asked(), before, strict=True)))


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def rig(stack, tmp_path):
    matrix = stack.enter_context(FakeMatrix())
    return Rig(stack, tmp_path, matrix.url, matrix.messages)


def test_one_story_reaches_every_kind_of_channel_once_across_kill_9(rig):
    rig.daemon.start().wait_until(rig.settled)
    rig.daemon.kill()
    rig.daemon.start()
    rig.checked_again()
    assert rig.daemon.terminate() == 0
    assert rig.counts() == (1, 1, 1, 1)
    mail = message_from_bytes(rig.mail.mails[0].data, policy=default)
    assert "Shells through Rajin" in mail["Subject"]
    assert "outlets" in mail.get_body(("plain",)).get_content()


@pytest.mark.crash
def test_what_a_channel_refused_before_the_kill_arrives_once_after_it(rig):
    rig.slack.fails_with(503, times=1)
    # All but Slack's are on record: a kill before that may cost a second copy, which is another matter.
    rig.daemon.start().wait_until(lambda: all(rig.daemon.said().count(f'"outcome": "{one}"') >= n for one, n in (("delivered", 3), ("retry", 1))))
    rig.daemon.kill()
    rig.daemon.start().wait_until(lambda: len(rig.slack.messages) >= 1)
    rig.checked_again()
    assert rig.daemon.terminate() == 0
    assert rig.counts() == (1, 1, 1, 1)


@pytest.mark.crash
def test_after_a_restart_feeds_are_asked_conditionally(rig):
    rig.daemon.start().wait_until(lambda: min(rig.asked()) >= 1 and min(rig.counts()) >= 1)
    rig.daemon.kill()
    before = rig.asked()
    rig.daemon.start()
    rig.checked_again()
    for name, asked in zip(rig.names, before, strict=True):
        later = rig.web.asked(f"/{name}")[asked:]
        assert {request.header("If-None-Match") for request in later} == {f'"{name}"'}


def test_a_broken_watchlist_keeps_the_old_set_in_force_and_is_told(rig):
    daemon = rig.daemon
    daemon.start().wait_until(lambda: "started" in daemon.said())
    path = rig.config.parent / "watchlists" / "rajin.toml"
    path.write_text(WATCHLIST.replace("weight = 3", 'wieght = 3'))
    daemon.wait_until(lambda: "wieght" in daemon.said())
    status = wirewatch("status", config=rig.config)
    assert status.returncode == 1 and "rajin.toml:8:" in status.stdout
    daemon.wait_until(lambda: min(rig.counts()) >= 1)
    path.write_text(WATCHLIST.replace("Shells through", "All about"))
    daemon.wait_until(lambda: wirewatch("status", config=rig.config).returncode == 0)
    assert daemon.terminate() == 0


def test_a_second_instance_is_refused_with_73_and_the_pid(rig):
    rig.daemon.start().wait_until(lambda: "started" in rig.daemon.said())
    refused = wirewatch("poll", config=rig.config)
    assert (refused.returncode, str(rig.daemon.process.pid) in refused.stderr) == (73, True)


@pytest.mark.servers
@pytest.mark.skipif(synapse_python() is None, reason="no Synapse: python3 -m venv .synapse-venv && .synapse-venv/bin/pip install matrix-synapse")
def test_the_same_with_a_real_matrix_homeserver(stack, tmp_path):
    (tmp_path / "synapse").mkdir()
    synapse = stack.enter_context(running_synapse(tmp_path / "synapse"))
    rig = Rig(stack, tmp_path, synapse.url(), synapse.messages)
    test_one_story_reaches_every_kind_of_channel_once_across_kill_9(rig)
    (event,) = synapse.messages()
    assert "Shells through Rajin" in event["content"]["body"]
