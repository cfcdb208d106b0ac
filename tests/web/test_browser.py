"""The status page in a real browser: what its policy refuses, that nothing hangs out of a phone, and that forms work.

Pictures of every page are left in $WIREWATCH_SHOTS, where that is set: to be looked at.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from monitor.core.render import feedback_path
from monitor.model import Feedback, Reloaded
from monitor.reload import read_all
from tests import chromium
from tests.fakeweb import FakeWeb
from tests.web.archive import filled
from tests.web.served import KEY, House, served

pytestmark = pytest.mark.servers
LOOKS = [(1000, False), (1000, True), (390, False), (390, True)]
# Contrast of text and what lies behind it, as WCAG 2.1 computes it; 4.5 is its level AA.
FAINT = """
[...document.querySelectorAll('main *, header *, footer')].filter(one => one.children.length == 0 && one.textContent.trim() && !one.closest('svg, select')).map(one => {
  const light = css => { const [r, g, b] = css.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }
  let behind = one; while (behind && getComputedStyle(behind).backgroundColor == 'rgba(0, 0, 0, 0)') behind = behind.parentElement
  const [a, b] = [light(getComputedStyle(one).color), light(getComputedStyle(behind).backgroundColor)].sort((x, y) => y - x)
  return [(a + .05) / (b + .05), one.className + ' ' + one.tagName]
}).filter(([contrast]) => contrast < 4.5).map(String)
"""
# The same of what may be typed into or pressed, by its border; 3 is WCAG's level for such parts.
EDGELESS = """
[...document.querySelectorAll('input, button, select')].map(one => {
  const light = css => { const [r, g, b] = css.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }
  let behind = one.parentElement; while (behind && getComputedStyle(behind).backgroundColor == 'rgba(0, 0, 0, 0)') behind = behind.parentElement
  const [a, b] = [light(getComputedStyle(one).borderTopColor), light(getComputedStyle(behind).backgroundColor)].sort((x, y) => y - x)
  return [(a + .05) / (b + .05), one.className + ' ' + one.tagName]
}).filter(([contrast]) => contrast < 3).map(String)
"""
OVERHANGS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
REFUSED = {"Loading the image", "inline style", "inline script"}
LOADED = "performance.getEntriesByType('resource').map(one => new URL(one.name).host + new URL(one.name).pathname)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    chromium.browser()
    with FakeWeb() as web:
        desk, known = filled(tmp_path_factory.mktemp("browser"), web)
        with served(str(desk.folder / "wirewatch.db"), House(watchlists=read_all(desk.config).watchlists)) as page:
            page.known = known
            yield page


def paths(page) -> dict[str, str]:
    lists = {"overview": "/", "stories": "/stories?days=30", "alerts": "/alerts?days=30", "watchlists": "/watchlists", "feeds": "/feeds"}
    single = {"watchlist": "/watchlists/quays", "story": "/stories/{bill}", "hostile": "/stories/{script}", "missing": "/nothing", "feedback": feedback_path(KEY, page.known["alert"]) + "/noise"}
    return {name: path.format(**page.known) for name, path in {**lists, **single}.items()}


def test_I5_every_page_in_both_themes_and_widths_is_readable_and_runs_nothing(page):
    async def look():
        found = []
        async with chromium.tab() as tab:
            await tab.does("Page.addScriptToEvaluateOnNewDocument", source="window.alert = text => { window.ran = text }")
            for name, path in paths(page).items():
                for width, dark in LOOKS:
                    await tab.looks(width=width, dark=dark)
                    await tab.goes(f"http://127.0.0.1:{page.port}{path}")
                    where = f"{name} {width} {'dark' if dark else 'light'}"
                    found += [f"{where}: hangs out"] if await tab.says(OVERHANGS) > 0 else []
                    found += [f"{where}: too faint: {one}" for one in await tab.says(FAINT)]
                    found += [f"{where}: without an edge: {one}" for one in await tab.says(EDGELESS)]
                    found += [f"{where}: a script ran"] if await tab.says("window.ran !== undefined") else []
                    loaded = await tab.says(LOADED)
                    found += [] if loaded == [f"127.0.0.1:{page.port}/style.css"] else [f"{where}: loaded {loaded}"]
                    if folder := os.environ.get("WIREWATCH_SHOTS"):
                        await tab.shot(Path(folder) / f"{where.replace(' ', '-')}.png")
            return found, [one for one in tab.complaints if "404 (Not Found)" not in one]

    assert asyncio.run(look()) == ([], [])


def test_what_the_policy_refuses_does_not_run(page):
    """The checks above can fail: a script that is put into a page is refused, and the browser says so."""

    async def look():
        async with chromium.tab() as tab:
            await tab.goes(f"http://127.0.0.1:{page.port}/")
            await tab.says("document.body.insertAdjacentHTML('beforeend', '<img src=//127.0.0.1:9/x onerror=\"window.ran=1\"><p style=\"color:#eee\">faint</p>')")
            await tab.says("document.body.appendChild(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))")
            while len(tab.complaints) < len(REFUSED):  # each is heard of, or the test has no end but its own
                await asyncio.wait_for(tab.says("1"), chromium.PATIENCE)
            return await tab.says("window.ran"), tab.complaints

    ran, complaints = asyncio.run(asyncio.wait_for(look(), 2 * chromium.PATIENCE))
    assert ran is None
    assert {word for word in REFUSED if any(word in one and "Content Security Policy" in one for one in complaints)} == REFUSED


def test_forms_are_sent_as_the_doors_expect_and_without_javascript(page):
    """A browser says of a form of ours that it is ours: Origin is not "null"."""

    async def press():
        async with chromium.tab() as tab:
            await tab.does("Emulation.setScriptExecutionDisabled", value=True)
            await tab.goes(f"http://127.0.0.1:{page.port}{paths(page)['feedback']}")
            await click(tab, "button")
            noted = await text_of(tab)
            page.house.reloaded = Reloaded(ok=False, problems=("config.toml:2: a: b",))
            await tab.goes(f"http://127.0.0.1:{page.port}/")
            await click(tab, "form[action='/-/reload'] button")
            return noted, await text_of(tab)

    noted, reloaded = asyncio.run(press())
    assert "Noted: noise" in noted and page.house.judged == [(page.known["alert"], Feedback.NOISE)]
    assert "config.toml:2: a: b" in reloaded and page.house.reloads == 1


async def click(tab: chromium.Tab, selector: str) -> None:
    """Press what a selector finds, with the mouse, and wait for what it leads to."""
    root = (await tab.does("DOM.getDocument"))["root"]["nodeId"]
    node = (await tab.does("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
    await tab.does("DOM.scrollIntoViewIfNeeded", nodeId=node)
    corners = (await tab.does("DOM.getBoxModel", nodeId=node))["model"]["content"]
    x, y = (corners[0] + corners[4]) / 2, (corners[1] + corners[5]) / 2
    for kind in ("mousePressed", "mouseReleased"):
        await tab.does("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    await tab.loaded()


async def text_of(tab: chromium.Tab) -> str:
    """All the page holds, as HTML."""
    root = (await tab.does("DOM.getDocument"))["root"]["nodeId"]
    return (await tab.does("DOM.getOuterHTML", nodeId=root))["outerHTML"]
