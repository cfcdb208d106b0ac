"""The links by which readers judge an alert, in each channel's own form; the plainest form and digests have none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitor.core.render import plainest
from monitor.edges.send import console, layout, mail, matrix_event, slack_blocks
from monitor.model import Message
from tests.edges.send.samples import MESSAGE, delivery

LINK = "https://watch.example/feedback/a1/0123abcd"
JUDGED = replace(MESSAGE, feedback_link=LINK)


def mail_text(message: Message) -> str:
    return "\n\n".join(mail._text(message))


FORMS = {
    "mail, as text": (mail_text, "Good alert: {}/good", "Noise: {}/noise"),
    "mail, as HTML": (mail.html, 'href="{}/good"', 'href="{}/noise"'),
    "Matrix, as text": (lambda message: matrix_event.content(message)["body"], "Good alert: {}/good", "Noise: {}/noise"),
    "Matrix, as HTML": (matrix_event.html, '<a href="{}/good">Good alert</a>', '<a href="{}/noise">Noise</a>'),
    "Slack": (lambda message: json.dumps(slack_blocks.payload(message)), "<{}/good|Good alert>", "<{}/noise|Noise>"),
    "the screen": (lambda message: console.block(delivery(message)), "Good alert: {}/good", "Noise: {}/noise"),
}


@pytest.mark.parametrize(("shown", "good", "noise"), FORMS.values(), ids=FORMS.keys())
def test_an_alert_can_be_judged(shown, good, noise):
    text = shown(JUDGED)
    assert good.format(LINK) in text and noise.format(LINK) in text
    assert "feedback" not in shown(MESSAGE) and "Noise" not in shown(MESSAGE)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://", "x"])
def test_only_a_web_address_is_a_link(link):
    assert [words for words, _ in layout.links(replace(JUDGED, feedback_link=link, story_link=link))] == []


def test_the_plainest_form_has_none():
    assert layout.links(plainest(replace(JUDGED, story_link=""))) == ()
