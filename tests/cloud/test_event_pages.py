"""Alarms, events and what sensors measured, as the pages say them."""

import gzip
import re
from dataclasses import replace
from html import unescape

import pytest
from fastapi import FastAPI

from cloud_sync.page_view import Enterprise, Happening, Point, Subject, Watched
from cloud_sync.pages import pages
from cloud_sync.reports import DAY_MS, HOUR_MS
from cloud_sync.sheets.events import LISTED_EVENTS
from cloud_sync.words_of_events import WHYS
from evidence.bodies import EventKind, Phase
from evidence.judging.limits import USUAL
from tests.world.sensors import PRESSURE, SensorLife, limit, put_sensor, told
from tests.world.view import NOW_MS, MemoryView, lifelike
from tests.world.visit import get

RAISED, CLEARED = Phase.RAISED, Phase.CLEARED


def served(view: MemoryView, now_ms: int = NOW_MS) -> FastAPI:
    app = FastAPI()
    app.include_router(pages(view, now_ms=lambda: now_ms))
    return app


@pytest.fixture(scope="module")
def works() -> FastAPI:
    return served(lifelike())


def page(app: FastAPI, address: str, language: str = "en") -> str:
    answer = get(app, address, accept_language=language)
    assert answer.status_code == 200
    return answer.text


def row(html: str, title: str) -> str:
    return next(part for part in re.split(r"<li(?: class=\"raised\")?>\n", html) if f"<b>{title}</b>" in part)


def texts(html: str) -> str:
    """What stands there without the markup."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def one_sensor(life: SensorLife, *happened: Happening, raised: tuple[Happening, ...] = ()) -> FastAPI:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    put_sensor(view, Subject.FIRE, "hydrant", "Hydrant", life, raised, happened, enterprise="works")
    return served(view)


def steady(pressure: int, *, from_ms: int = NOW_MS - 2 * DAY_MS, to_ms: int = NOW_MS) -> SensorLife:
    point = (PRESSURE, (limit("hydrant-industrial", PRESSURE),), lambda _: pressure)
    return SensorLife(points=[point], from_ms=from_ms, to_ms=to_ms)


def test_an_alarm_stands_in_its_row_with_value_limit_and_since_when(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan")
    said = row(html, "2 号车间消火栓")
    assert '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><use href="#i-danger"/></svg>' in said
    assert "limit passed pressure 86 kPa, limit 100 kPa since 14:05" in texts(said)
    said = row(page(works, "/e/hengyuan", "zh-CN"), "2 号车间消火栓")
    assert "超限 压力 86 kPa，限值 100 kPa 14:05 起" in texts(said)
    assert "power signature changed power 22.15 kW, before 36.8 kW since 11-21 18:00" in texts(row(html, "空压机"))
    assert 'href="#i-doubt"' in row(html, "空压机")


def test_the_top_of_the_page_counts_the_alarms_and_leads_to_them(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan")
    top = html.split('<p class="alarmed">')[1].split("</p>")[0]
    assert texts(top).strip().startswith("6 alarms not cleared")
    for anchor in re.findall(r'href="#([^"]+)"', top.replace('"#i-danger"', "")):
        assert f'id="{anchor}"' in html
    assert "6 alarms not cleared" in texts(page(works, "/"))


def test_a_row_counts_the_events_of_the_time_shown_of_the_past_too(works: FastAPI) -> None:
    assert "总表见证 2 events" in texts(row(page(works, "/e/hengyuan"), "总表见证"))
    assert "2 号车间消火栓 3 events" in texts(row(page(works, "/e/hengyuan?span=7d"), "2 号车间消火栓"))
    assert "2 号车间消火栓 2 events" in texts(row(page(works, "/e/hengyuan?day=2026-11-20"), "2 号车间消火栓"))
    assert "event" not in texts(row(page(works, "/e/hengyuan?day=2026-11-19"), "2 号车间消火栓"))
    assert "空压机 4 events" in texts(row(page(works, "/e/hengyuan?span=7d"), "空压机"))


def test_a_page_of_the_past_shows_no_alarm_of_now_but_its_own_events(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan?day=2026-11-20")
    assert "not cleared" not in html
    assert 'class="alarms"' not in html
    own = page(works, "/e/hengyuan/fire/hydrant-2?day=2026-11-20")
    assert 'class="alarms"' not in own
    assert re.findall(r"<td>(\d\d:\d\d:\d\d)</td>", own) == ["15:05:00", "14:05:00"]


def test_events_are_listed_newest_first_with_value_and_limit_in_the_chosen_span(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/fire/hydrant-2?span=7d")
    rows = [texts(line).strip() for line in re.findall(r"<tr><td>.*?</tr>", html)]
    assert rows == [
        "14:05:00 limit passed · raised pressure 86 kPa limit 100 kPa",
        "15:05:00 limit passed · cleared pressure 126 kPa limit 105 kPa",
        "14:05:00 limit passed · raised pressure 85 kPa limit 100 kPa",
    ]
    assert re.findall(r'<use href="#i-(\w+)"/></svg>limit', html) == ["danger", "cleared", "danger"]
    assert texts(page(works, "/e/hengyuan/fire/hydrant-2")).count("limit passed") == 2  # the alarm, and its event


def test_what_has_no_point_is_said_as_it_was_signed(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/fire/panel")
    assert "fire system tested · noted 1-2 · 自检 self-test, operator 3" in texts(html)
    assert "1-2-1118 fault · 故障, 点型光电感烟火灾探测器, 成品库东 6 号" in texts(html)


def test_a_long_list_of_events_is_cut_and_says_so() -> None:
    many = [told(NOW_MS - i * 60_000 - 1, EventKind.LIMIT, RAISED, "pressure", point=PRESSURE) for i in range(130)]
    html = page(one_sensor(steady(120), *many), "/e/works/fire/hydrant")
    assert html.count("<tr><td>") == LISTED_EVENTS
    assert "and 30 more" in html


def test_a_sensor_shows_its_last_value_its_limit_and_the_least_and_most(works: FastAPI) -> None:
    said = texts(row(page(works, "/e/hengyuan"), "一楼配电柜"))
    assert "residual current 41 mA below 300 mA 29 to 60 mA" in said
    assert "temperature L1 42.3 °C below 70.0 °C 33.6 to 48.8 °C" in said
    assert "coverage 100 %" in said
    figures = texts(page(works, "/e/hengyuan/fire/hydrant-2"))
    assert "Last 80 kPa Limit at least 100 kPa Least 80 kPa Most 134 kPa" in figures


def test_a_value_beyond_its_limit_is_marked_only_while_it_is_heard() -> None:
    assert 'class="hours beyond"' in page(one_sensor(steady(90)), "/e/works")
    assert "beyond" not in page(one_sensor(steady(100)), "/e/works")
    html = page(one_sensor(steady(90, to_ms=NOW_MS - HOUR_MS)), "/e/works")
    assert "beyond" not in html
    assert "90 kPa 14:41" in texts(html), "an old value with its own time"


def test_time_without_data_is_hatched_and_no_band_lies_there() -> None:
    life = replace(steady(120), silent=((NOW_MS - 18 * HOUR_MS, NOW_MS - 12 * HOUR_MS),))
    html = page(one_sensor(life), "/e/works")
    assert '<path class="u" fill="url(#hatch)" d="M180 0h180v48H180z"/>' in html
    (band,) = re.findall(r'<path class="l" d="([^"]+)"', html)
    assert band == "M0 3H180V6H0zM360 3H720V6H360z"
    assert "coverage 75 %" in html


def test_what_lies_beyond_the_limit_is_drawn_on_its_far_side() -> None:
    def falls(at_ms: int) -> int:
        return 80 if at_ms >= NOW_MS - 6 * HOUR_MS else 120

    life = replace(steady(0), points=[(PRESSURE, (limit("hydrant-industrial", PRESSURE),), falls)])
    html = page(one_sensor(life), "/e/works")
    (dashed,) = re.findall(r'class="lim" d="M0 (\d+)h720"', html)
    wrong = re.findall(r'class="x" d="M(\d+) (\d+)', html)
    assert wrong
    assert all(int(y) >= int(dashed) for _, y in wrong)
    assert all(int(x) >= 530 for x, _ in wrong)


def test_a_sensor_that_never_said_anything_breaks_nothing() -> None:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    life = SensorLife(points=[], from_ms=NOW_MS - 1000, to_ms=NOW_MS - 1000)
    put_sensor(view, Subject.FIRE, "new", "New", life, (), (), enterprise="works")
    fresh: list[Watched] = [replace(each, first_ms=None) for each in view.streams["works"]]
    view.streams["works"] = fresh
    app = served(view)
    for address in ("/e/works", "/e/works?span=30d", "/e/works/fire/new", "/e/works/fire/new?span=7d"):
        assert "no statement yet" in page(app, address)


def test_a_sealed_meters_rise_is_said_and_its_own_records_are_events(works: FastAPI) -> None:
    html = texts(page(works, "/e/hengyuan/meter/yard"))
    assert "Last 839,565.678 kWh Rise 897 kWh" in html
    assert "meter's own record · noted cover openings 4 before 3" in html
    assert "clock off · raised clock · -312 s -312 s limit 300 s" in html


def test_signed_words_are_shown_as_text() -> None:
    nasty = told(NOW_MS - 5, EventKind.COMPONENT, RAISED, "<b>x", says="<script>1</script>")
    app = one_sensor(steady(120), nasty, raised=(nasty,))
    for address in ("/e/works", "/e/works/fire/hydrant"):
        html = page(app, address)
        assert "&lt;script&gt;1" in html
        assert "<script>1" not in html


def test_every_kind_and_phase_of_event_has_a_word_and_every_usual_limit_its_source_in_chinese() -> None:
    from cloud_sync.words import WORDS

    assert {f"event{kind}" for kind in EventKind} | {f"phase{phase}" for phase in Phase} <= set(WORDS)
    assert set(WHYS) == {usual.why for usual in USUAL.values()}


@pytest.mark.parametrize("span", ["", "?span=7d", "?span=30d"])
def test_twenty_fire_sensors_stay_a_small_page(span: str) -> None:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    source = lifelike()
    for number in range(20):
        life = source.sensors["hengyuan", "hydrant-2", Subject.FIRE]
        put_sensor(view, Subject.FIRE, f"h-{number}", f"Hydrant {number}", life, (), (), enterprise="works")
    html = page(served(view), f"/e/works{span}").encode()
    assert len(html) <= 60 * 1024
    assert len(gzip.compress(html, 6)) <= 8 * 1024


def test_what_only_counts_how_often_is_named_and_not_drawn() -> None:
    cover = Point(name="cover_open_count", unit="1", decimals=0, counts=True)
    life = replace(steady(120), points=[(PRESSURE, (), lambda _: 120), (cover, (), lambda at_ms: at_ms // DAY_MS)])
    html = page(one_sensor(life), "/e/works/fire/hydrant?span=7d")
    assert html.count('class="bar curve"') == 1
    assert "cover openings up by" in texts(html)
