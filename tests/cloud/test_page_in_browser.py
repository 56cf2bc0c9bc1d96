"""The pages on a phone's screen, in a real browser."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI

from cloud_sync.pages import pages
from tests.world.browser import CHROMIUM, Browser, browser
from tests.world.view import NOW_MS, lifelike

pytestmark = [
    pytest.mark.story,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

PAGES = (
    "/",
    "/e/hengyuan",
    "/e/hengyuan?day=2026-11-23",
    "/e/hengyuan?span=7d",
    "/e/hengyuan?span=30d",
    "/e/hengyuan/m/dyeing-01",
    "/e/hengyuan/m/loom-03?span=30d",
    "/e/hengyuan/g/dock-01",
    "/e/hengyuan/g/dock-01?span=30d",
    "/e/hengyuan/m/compressor-01",
    "/e/hengyuan/fire/hydrant-2",
    "/e/hengyuan/fire/board-1?span=7d",
    "/e/hengyuan/fire/panel",
    "/e/hengyuan/meter/yard?span=30d",
    "/e/hengyuan/z/hall-a",
    "/e/hengyuan/z/hall-b?span=7d",
    "/e/hengyuan/z/yard?span=30d",
)


class Served:
    """The pages on a port of their own, with a clock that the test holds."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        app = FastAPI()
        app.include_router(pages(lifelike(), now_ms=lambda: self.now_ms))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}{path}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)
        self.socket.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    site = Served()
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_a_phone_never_scrolls_sideways_and_nothing_is_cropped(
    served: Served, tab: Browser, path: str, language: str
) -> None:
    tab.show(served.address(path), width=390, height=844, language=language)
    assert tab.ask("document.documentElement.scrollWidth") == 390
    outside = """[...document.querySelectorAll("main *, header *")].filter(e => {
        const box = e.getBoundingClientRect();
        return !e.closest(".defs") && box.width > 0 && (box.right > 390.5 || box.left < -0.5);
    }).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.ask(outside) == []


@pytest.mark.parametrize("path", PAGES)
def test_without_scripts_the_page_is_whole(served: Served, tab: Browser, path: str) -> None:
    tab.show(served.address(path), scripts=False)
    assert tab.ask("document.querySelectorAll('h1').length") == 1
    assert "2026-11-23 15:42:00" in tab.ask("document.body.innerText")


def test_bars_have_the_heights_of_their_states(served: Served, tab: Browser) -> None:
    tab.show(served.address("/e/hengyuan"))
    stroke = "parseFloat(getComputedStyle(document.querySelector('.bar .%s')).strokeWidth)"
    assert [tab.ask(stroke % name) for name in "ris"] == [24, 18, 4]
    assert tab.ask("getComputedStyle(document.querySelector('.bar .u')).fill").startswith('url("#hatch")')


def test_what_a_thumb_must_hit_is_large_enough(served: Served, tab: Browser) -> None:
    tab.show(served.address("/e/hengyuan"))
    small = """[...document.querySelectorAll(".reach a, .turn a, .top a")].filter(e => {
        const box = e.getBoundingClientRect();
        return box.height < 38 || box.width < 40;
    }).length"""
    assert tab.ask(small) == 0


TAPPED = """(() => { const box = document.querySelector("%s").getBoundingClientRect();
    return document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2).href; })()"""


def test_a_fire_sensors_curve_stands_under_the_same_hours_as_the_machines(served: Served, tab: Browser) -> None:
    for width in (390, 1280):
        tab.show(served.address("/e/hengyuan"), width=width)
        edges = """[...document.querySelectorAll(".rows .bar")].map(e => {
            const box = e.getBoundingClientRect(); return [box.left, box.right].map(Math.round).join(" "); })"""
        assert len(set(tab.ask(edges))) == 1


def test_the_link_to_an_alarm_leads_to_its_row_in_sight(served: Served, tab: Browser) -> None:
    tab.show(served.address("/e/hengyuan"))
    tab.ask("document.querySelector('p.alarmed a[href^=\\'#fire-\\']').click(); 0")
    in_sight = """(() => {
        const box = name => document.querySelector(name).getBoundingClientRect();
        return box("#fire-hydrant-2").top >= box(".head").bottom - 1 && box("#fire-hydrant-2").bottom < innerHeight;
    })()"""
    assert _soon(tab, in_sight)


@pytest.mark.parametrize("span", ["", "?span=7d", "?span=30d"])
def test_a_tap_anywhere_on_a_machine_opens_it(served: Served, tab: Browser, span: str) -> None:
    tab.show(served.address(f"/e/hengyuan{span}"))
    assert tab.ask(TAPPED % ".rows .bar").endswith(f"/e/hengyuan/m/loom-01{span}")


@pytest.mark.parametrize(("span", "place"), [("7d", 4), ("30d", 27)])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_tap_on_a_day_of_the_axis_opens_that_day_however_far_the_page_was_scrolled(
    served: Served, tab: Browser, span: str, place: int, width: int
) -> None:
    tab.show(served.address(f"/e/hengyuan?span={span}"), width=width, height=844)
    tab.ask("scrollTo(0, 400); 0")
    assert tab.ask(TAPPED % f".strip a:nth-child({place})").endswith("?day=2026-11-20")
    assert tab.ask("document.querySelector('.strip a').offsetHeight") >= 40


@pytest.mark.parametrize(
    "path", ["/e/hengyuan", "/e/hengyuan?day=2026-11-23", "/e/hengyuan?span=7d", "/e/hengyuan?span=30d"]
)
@pytest.mark.parametrize("width", [390, 1280])
def test_the_words_of_the_axis_do_not_meet(served: Served, tab: Browser, path: str, width: int) -> None:
    tab.show(served.address(path), width=width)
    meeting = """(() => {
        const boxes = [...document.querySelectorAll(".axis text, .strip a")].map(e => {
            const range = document.createRange();
            range.selectNodeContents(e);
            return range.getBoundingClientRect();
        });
        const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
        return boxes.filter((a, i) => boxes.slice(i + 1).some(b => meet(a, b))).length;
    })()"""
    assert tab.ask(meeting) == 0
    assert tab.ask("document.querySelectorAll('.axis text, .strip a').length") >= 5


@pytest.mark.parametrize("path", ["/e/hengyuan/m/dyeing-01", "/e/hengyuan/g/dock-01", "/e/hengyuan/z/hall-a"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_no_time_in_a_table_is_broken_over_two_lines(served: Served, tab: Browser, path: str, language: str) -> None:
    tab.show(served.address(path), language=language)
    lines = """[...document.querySelectorAll("tbody td:first-child")].map(e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return range.getBoundingClientRect().height;
    })"""
    assert max(tab.ask(lines)) < 30


def test_a_gates_pictures_are_seen_and_stay_as_they_were_opened(served: Served, tab: Browser) -> None:
    tab.show(served.address("/e/hengyuan/g/dock-01"))
    seen = "[...document.querySelectorAll('.pictures img')].filter(e => e.complete && e.naturalWidth === 720).length"
    tab.ask("document.querySelector('.pictures').scrollIntoView(); 0")
    assert _soon(tab, f"{seen} === 3")
    tab.ask("document.querySelector('.pictures details').open = true; 0")
    served.now_ms += 60_000
    tab.ask("htmx.ajax('GET', location.pathname, {target: '#live', swap: 'outerHTML'}); 0")
    assert _soon(tab, "document.body.innerText.includes('15:43:00')")
    assert tab.ask("document.querySelector('.pictures details').open")
    assert tab.ask(seen) == 3
    served.now_ms = NOW_MS


def test_the_page_refreshes_itself_and_admits_when_it_cannot(served: Served, tab: Browser) -> None:
    again = "htmx.ajax('GET', location.pathname, {target: '#live', swap: 'outerHTML'}); 0"
    warned = """(() => { const box = document.querySelector(".lost").getBoundingClientRect();
        return box.height > 20 && box.top > 0 && box.bottom < innerHeight; })()"""
    tab.show(served.address("/e/hengyuan"))
    tab.ask("document.querySelector('#m-loom-02').focus(); 0")
    served.now_ms += 60_000
    tab.ask(again)
    assert _soon(tab, "document.body.innerText.includes('15:43:00')")
    assert tab.ask("document.activeElement.id") == "m-loom-02"
    _online(tab, yes=False)
    tab.ask(again)
    assert _soon(tab, warned)
    _online(tab, yes=True)
    tab.ask(again)
    assert _soon(tab, f"!({warned})")
    served.now_ms = NOW_MS


def test_the_browser_finds_nothing_to_complain_about(served: Served, tab: Browser) -> None:
    tab.said.clear()
    for path in PAGES:
        tab.show(served.address(path))
    assert tab.said == []


def _soon(tab: Browser, expression: str) -> bool:
    """Whether it becomes true within half a minute."""
    for _ in range(300):
        if tab.ask(expression):
            return True
        time.sleep(0.1)
    return False


def _online(tab: Browser, *, yes: bool) -> None:
    tab.call(
        "Network.emulateNetworkConditions",
        offline=not yes,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )
