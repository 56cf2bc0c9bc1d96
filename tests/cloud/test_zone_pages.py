"""The pages of zones and of gates' pictures: a count says how sure it is, and a picture is nothing but a picture."""

import gzip
import re
from dataclasses import replace
from hashlib import sha256

import pytest
from fastapi import FastAPI

from cloud_sync.page_view import Crossing, Enterprise, GateView, Image, Subject
from cloud_sync.pages import pages
from cloud_sync.reports import HOUR_MS
from cloud_sync.stock import Stand
from evidence.bodies import Direction, Phase
from tests.world.view import CHINA, NOW_MS, TODAY, MemoryView, lifelike
from tests.world.visit import get
from tests.world.zones import BLIND, COUNTED, OCCLUDED, camera, certificate, pictures_of, put_zone

MIDNIGHT_MS = CHINA.midnight(TODAY)
LAST_MS = NOW_MS - 97_000
SHOWN = re.compile(r'<img src="(/e/[^"]+/picture/([0-9a-f]{64}))"')


@pytest.fixture(scope="module")
def works() -> FastAPI:
    return served(lifelike())


def served(view: MemoryView) -> FastAPI:
    app = FastAPI()
    app.include_router(pages(view, now_ms=lambda: NOW_MS))
    return app


def page(app: FastAPI, address: str, language: str = "en") -> str:
    answer = get(app, address, accept_language=language)
    assert answer.status_code == 200
    return answer.text


def one_zone(*stands: Stand, **facts: object) -> str:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    put_zone(view, "yard", "Yard", stands=list(stands), enterprise="works", **facts)  # type: ignore[arg-type]
    return page(served(view), "/e/works/z/yard")


def stock(html: str) -> str:
    """The large figure and what is said of it."""
    return re.sub(
        r"<[^>]+>", "", html.split('<p class="stock')[1].split("</p>", maxsplit=1)[0].partition(">")[2]
    ).strip()


def test_a_count_says_what_it_is_of_and_how_uncertain(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/z/hall-a")
    assert stock(html) == "69 ±2 visible front items"
    assert "6 deep × 4 rows, by the installer; not counted" in html
    assert "passed against a person&#39;s count: error 1.4 % (limit 5.0 %), 16 of 20 exact." in html
    assert "<dt>occluded</dt><dd>1 h 05 min</dd>" in html


@pytest.mark.parametrize(("absolute", "chip"), [(True, 0), (None, 0), (False, 1)])
def test_a_count_that_its_box_does_not_claim_is_not_accepted(absolute: bool | None, chip: int) -> None:  # noqa: FBT001
    view = lifelike()
    view.zones["hengyuan", "hall-a"] = replace(view.zones["hengyuan", "hall-a"], absolute=absolute)
    for address in ("/e/hengyuan/z/hall-a", "/e/hengyuan"):
        html = page(served(view), address)
        row = html if "/z/" in address else next(part for part in html.split("<li") if 'id="z-hall-a"' in part)
        assert row.count('<span class="doubt">not accepted</span>') == chip


def test_a_hidden_zone_shows_the_last_count_and_its_age_and_not_as_fresh() -> None:
    counted_ms = LAST_MS - 12 * 60_000
    html = one_zone(Stand(MIDNIGHT_MS, counted_ms, COUNTED, 48, 2), Stand(counted_ms, LAST_MS, OCCLUDED, 48, 2))
    assert stock(html) == "48 ±2 occluded · last counted 15:28, 13 min ago not accepted"
    assert '<p class="stock withheld">' in html
    assert "(48 ±2)" in html


def test_a_blind_zone_is_not_empty() -> None:
    html = one_zone(Stand(MIDNIGHT_MS, LAST_MS, BLIND, None, 0))
    assert stock(html) == "– blind · never counted"
    assert "<b>0</b>" not in html
    assert '<path class="l"' not in html
    assert "Full height" not in html


def test_a_zone_that_went_silent_says_so_and_keeps_the_last_count() -> None:
    html = one_zone(Stand(MIDNIGHT_MS, NOW_MS - 3 * HOUR_MS, COUNTED, 48, 0))
    assert stock(html) == "48 no data · last counted 12:42, 3 h 00 min ago not accepted"
    assert re.search(r'<path class="u"[^>]*d="M630 ', html)


def test_two_counts_of_one_time_are_contested_and_none_is_shown() -> None:
    html = one_zone(Stand(MIDNIGHT_MS, LAST_MS, None, None, 0))
    assert stock(html) == "– contested"
    assert '<span class="doubt">contested</span>' in html


def test_a_zone_that_was_never_installed_before_the_time_shown_is_blank() -> None:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    put_zone(view, "yard", "Yard", stands=[Stand(MIDNIGHT_MS, LAST_MS, COUNTED, 3, 0)], enterprise="works")
    html = page(served(view), "/e/works/z/yard?day=2026-11-20")
    assert stock(html) == "– not installed yet"
    assert 'class="u" fill' not in html.split("<h2>Count over time</h2>")[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "Not yet compared with a person"),
        (certificate(MIDNIGHT_MS, passed=False), "FAILED against a person"),
        (replace(certificate(MIDNIGHT_MS), detector_sha256=bytes(32)), "Another detector counts since then"),
    ],
)
def test_a_count_without_a_good_certificate_says_so(given: object, said: str) -> None:
    html = one_zone(Stand(MIDNIGHT_MS, LAST_MS, COUNTED, 3, 0), certificate=given)
    assert said in html
    assert '<p class="certificate lacking">' in html


def test_a_covered_camera_is_an_alarm_in_the_zones_row_and_at_the_top(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan")
    assert '<a href="#z-hall-b">B 区 纸箱</a>' in html
    row = next(part for part in html.split("<li") if 'id="z-hall-b"' in part)
    assert "<b>camera</b> covered" in html
    assert "212" in row
    assert "blind · last counted 11:00, 4 h 42 min ago" in row
    assert "镜头被遮住" in page(works, "/e/hengyuan/z/hall-b", "zh-CN")


def test_events_of_a_gates_camera_stand_on_its_page() -> None:
    view = lifelike()
    view.told["hengyuan", "dock-01", Subject.GATE] = [camera("moved", Phase.RAISED, NOW_MS - HOUR_MS)]
    html = page(served(view), "/e/hengyuan/g/dock-01")
    assert "moved · 94 % of the picture" in html
    assert "1 event" in page(served(view), "/e/hengyuan")


def test_a_doubtful_crossing_is_marked_and_counted_as_such() -> None:
    view = lifelike()

    def crossing(minute: int, sure: int, **said: object) -> Crossing:
        at_ms = NOW_MS - minute * 60_000
        fields = {"direction": Direction.IN, "what": "carton", "confidence_permille": sure}
        return Crossing(at_ms=at_ms, **fields, **said)  # type: ignore[arg-type]

    crossings = [
        crossing(1, 900),
        crossing(2, 310, sources=("foreground",), looked=2),
        crossing(3, 900, sources=("detector", "foreground"), looked=2, uncertain=4),
    ]
    view.gates["hengyuan", "dock-01"] = GateView(crossings=crossings)
    html = page(served(view), "/e/hengyuan/g/dock-01", "zh-CN")
    assert "存疑 2" in html
    assert '<span class="doubt">存疑</span><small>仅 foreground（1/2）</small>' in html
    assert '<span class="doubt">存疑 +4</span></td>' in html


def test_pictures_that_left_are_shown_and_those_that_stayed_are_named_with_how_to_ask(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/g/dock-01")
    assert len(SHOWN.findall(html)) == 3
    assert "15 in all, of which 3 left the box." in html
    assert html.count("<code title=") == 15
    assert "evidence picture BUNDLE --is FILE" in html


def test_a_picture_is_served_as_what_it_is_and_nothing_else(works: FastAPI) -> None:
    address, digest = SHOWN.findall(page(works, "/e/hengyuan/g/dock-01"))[0]
    answer = get(works, address)
    assert answer.status_code == 200
    assert sha256(answer.content).hexdigest() == digest
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
    assert answer.headers["cache-control"].startswith("private")


@pytest.mark.parametrize(
    "address",
    [
        "/e/hengyuan/g/dock-01/picture/" + "0" * 64,
        "/e/hengyuan/g/dock-01/picture/" + "0" * 63,
        "/e/hengyuan/g/dock-01/picture/" + "A" * 64,
        "/e/hengyuan/g/dock-01/picture/..%2f..%2fpage.css",
        "/e/hengyuan/z/dock-01/picture/{digest}",
        "/e/nobody/g/dock-01/picture/{digest}",
        "/e/hengyuan/z/nowhere",
    ],
)
def test_no_other_address_shows_a_picture(works: FastAPI, address: str) -> None:
    digest = SHOWN.findall(page(works, "/e/hengyuan/g/dock-01"))[0][1]
    answer = get(works, address.format(digest=digest))
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(("text/html", "application/json"))


def test_many_pictures_are_folded_away() -> None:
    view = lifelike()
    gate = view.gates["hengyuan", "dock-01"]
    shown = pictures_of(view, range(15), here=range(15), midnight_ms=MIDNIGHT_MS)
    view.gates["hengyuan", "dock-01"] = replace(gate, pictures=shown)
    html = page(served(view), "/e/hengyuan/g/dock-01")
    assert len(SHOWN.findall(html.split("<details>")[0])) == 3
    assert len(SHOWN.findall(html)) == 15


def test_a_name_that_is_a_script_is_shown_as_text() -> None:
    nasty = "<script>alert(1)</script>"
    view = lifelike()
    said = Crossing(
        at_ms=NOW_MS - 60_000,
        direction=Direction.IN,
        what=nasty,
        confidence_permille=1,
        sources=(nasty,),
        looked=2,
    )
    view.gates["hengyuan", "dock-01"] = GateView(crossings=[said], certificate=replace(certificate(1), detector=nasty))
    put_zone(view, "nasty", nasty, stands=[Stand(MIDNIGHT_MS, LAST_MS, COUNTED, 3, 0)])
    app = served(view)
    for address in ("/e/hengyuan/g/dock-01", "/e/hengyuan/z/nasty", "/e/hengyuan"):
        assert nasty not in page(app, address)


@pytest.mark.parametrize("span", ["", "?span=7d", "?span=30d"])
def test_twenty_busy_zones_stay_a_small_page(span: str) -> None:
    source, view = lifelike(), MemoryView(known=[Enterprise(name="works", title="Works")])
    busy = source.zones["hengyuan", "hall-a"]
    for number in range(20):
        put_zone(view, f"zone-{number}", f"Zone {number}", stands=busy.stands, enterprise="works")
    html = page(served(view), "/e/works" + span).encode()
    assert len(gzip.compress(html, 6)) < 10 * 1024


def test_an_image_is_only_what_the_view_gives() -> None:
    """The media type is the signed one: a page that was signed as a picture is not served as a page."""
    view = lifelike()
    digest = sha256(b"x").digest()
    view.images[digest] = Image(media_type="image/webp", data=b"<html>")
    answer = get(served(view), f"/e/hengyuan/g/dock-01/picture/{digest.hex()}")
    assert answer.headers["content-type"] == "image/webp"
