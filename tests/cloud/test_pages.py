"""The pages, asked for as a browser asks."""

import gzip
import re
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from fastapi import FastAPI

from cloud_sync.page_view import Crossing, Enterprise, GateView, Subject, Watched
from cloud_sync.pages import pages
from cloud_sync.reports import DAY_MS, HOUR_MS, Span, State
from cloud_sync.sheets.asked import Asked, Reach, hour_labels
from cloud_sync.words import WORDS, Language, Voice, hours_figure, language_of
from evidence.bodies import Direction
from tests.world.view import NOW_MS, MemoryView, lifelike, put
from tests.world.visit import get

LABEL = re.compile(r'<text x="([\d.]+%)" y="14"([^>]*)>(.*?)</text>')


@pytest.fixture(scope="module")
def works() -> FastAPI:
    return served(lifelike())


def served(view: MemoryView, now_ms: int = NOW_MS) -> FastAPI:
    app = FastAPI()
    app.include_router(pages(view, now_ms=lambda: now_ms))
    return app


def page(app: FastAPI, address: str, language: str = "en") -> str:
    answer = get(app, address, accept_language=language)
    assert answer.status_code == 200
    return answer.text


def row(html: str, title: str) -> str:
    """What stands beside one machine's bar."""
    return next(part for part in html.split("<li>") if f"<b>{title}</b>" in part)


def turn(html: str) -> str:
    """The two arrows and what stands between them."""
    return html.split('<div class="turn">')[1].split("</div>", maxsplit=1)[0]


def axis(html: str) -> list[tuple[str, str]]:
    """The hours of the axis and their places."""
    return [(text, at) for at, rest, text in LABEL.findall(html) if "now" not in rest]


def strong(html: str) -> list[tuple[str, str]]:
    """The date at midnight and now, and their places."""
    return [(text, at) for at, rest, text in LABEL.findall(html) if "now" in rest]


def one_machine(spans: list[Span], **facts: object) -> MemoryView:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    machine = Watched(
        key="loom-01",
        subject=Subject.MACHINE,
        title="loom-01",
        box="box-1",
        stream="machine/loom-01",
        first_ms=NOW_MS - 40 * DAY_MS,
        received_ms=NOW_MS,
    )
    put(view, replace(machine, **facts), spans, enterprise="works")  # type: ignore[arg-type]
    return view


TODAY = "/e/hengyuan?day=2026-11-23"
ALL = (
    "/",
    "/e/hengyuan",
    TODAY,
    "/e/hengyuan?span=7d",
    "/e/hengyuan?span=30d",
    "/e/hengyuan?day=2026-11-20",
    "/e/hengyuan/m/loom-01",
    "/e/hengyuan/m/loom-01?span=7d",
    "/e/hengyuan/m/loom-01?span=30d&day=2026-11-10",
    "/e/hengyuan/g/dock-01",
    "/e/hengyuan/g/dock-01?span=7d",
    "/e/hengyuan/g/dock-01?span=30d&day=2026-11-10",
    "/e/hengyuan/m/compressor-01",
    "/e/hengyuan/fire/hydrant-2",
    "/e/hengyuan/fire/board-1?span=7d",
    "/e/hengyuan/fire/panel",
    "/e/hengyuan/fire/sprinkler-1?span=30d&day=2026-11-10",
    "/e/hengyuan/meter/yard",
    "/e/hengyuan/z/hall-a",
    "/e/hengyuan/z/hall-b?span=7d",
    "/e/hengyuan/z/yard?span=30d&day=2026-11-10",
)


@pytest.mark.parametrize("address", ALL)
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_page_is_whole_in_both_languages(works: FastAPI, address: str, language: str) -> None:
    answer = get(works, address, accept_language=language)
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    assert answer.text.rstrip().endswith("</html>")


@pytest.mark.parametrize("address", [*ALL, "/e/nobody", "/static/page.css"])
def test_no_page_runs_a_script_or_a_style_that_is_not_a_file_of_ours(works: FastAPI, address: str) -> None:
    answer = get(works, address)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert not re.search(r"<script(?![^>]* src=\"/static/)|<[^>]+ on[a-z]+=", answer.text)
    assert not re.search(r"(src|href)=\"(https?:)?//", answer.text)


def test_a_title_with_a_script_is_shown_as_text_everywhere() -> None:
    nasty = "<script>alert('loom')</script>\"><img src=x>"
    view = one_machine([Span(from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS, state=State.RUNNING)], title=nasty)
    view.known = [Enterprise(name="works", title=nasty)]
    app = served(view)
    for address in ("/", "/e/works", "/e/works?span=7d", "/e/works?span=30d", "/e/works/m/loom-01"):
        html = page(app, address)
        assert "&lt;script&gt;" in html
        assert "<script>" not in html
        assert "<img" not in html


def test_a_machine_shows_its_hours_its_coverage_and_what_it_does_since_when(works: FastAPI) -> None:
    beside = row(page(works, TODAY), "2 号喷水织机")
    assert "8.8 h" in beside
    assert "coverage 100 %" in beside
    assert "running since 12:02" in beside


def test_without_a_day_the_page_shows_the_last_24_hours_up_to_now(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan", "zh-CN")
    assert "<span>过去 24 小时 <small>11-22 15:42 起</small></span>" in html
    assert "过去 24 小时平均运行" in html
    assert "14.8 小时" in row(html, "2 号喷水织机")  # of them 8.8 today
    assert 'd="M0 12h122m6 0h591"' in row(html, "1 号加弹机")  # a change of bobbin last night, and up to 15:40:23
    assert axis(html) == [("16", "1.25%"), ("20", "17.92%"), ("04", "51.25%"), ("08", "67.92%"), ("12", "84.58%")]
    assert strong(html) == [("11-23", "34.58%"), ("15:42", "100%")]
    assert '<path class="d" d="M249 0v48"/>' in html
    assert 'class="n"' not in html  # now is the right edge


def test_at_one_in_the_morning_the_evening_before_is_still_seen() -> None:
    at_one = Voice(language=Language.EN).midnight(date(2026, 11, 23)) + HOUR_MS
    html = page(served(lifelike(now_ms=at_one), at_one), "/e/hengyuan")
    beside = row(html, "1 号喷水织机")
    assert "14.7 h" in beside
    assert "stopped since 11-22 22:12" in beside
    assert strong(html) == [("11-23 01:00", "100%")]
    assert axis(html) == [("04", "12.5%"), ("08", "29.17%"), ("12", "45.83%"), ("16", "62.5%")]
    assert '<path class="d" d="M690 0v48"/>' in html


@pytest.mark.parametrize("minute", range(0, 1440, 17))
def test_the_words_of_the_last_24_hours_never_meet(minute: int) -> None:
    now_ms = Voice(language=Language.EN).midnight(date(2026, 11, 23)) + minute * 60_000
    asked = Asked(reach=Reach.DAY, named=None, now_ms=now_ms, voice=Voice(language=Language.EN))
    edges = []
    for label in hour_labels(asked):
        width = 1.9 * len(label.text)  # per cent of a phone's bar that eleven pixels high digits take
        left = label.percent - {"start": 0, "middle": width / 2, "end": width}[label.anchor]
        edges.append((left, left + width))
    edges.sort()
    assert edges[0][0] >= -1
    assert all(before[1] < after[0] for before, after in pairwise(edges))


def test_a_calendar_day_is_that_day_and_today_leads_back_to_the_last_24_hours(works: FastAPI) -> None:
    sliding = turn(page(works, "/e/hengyuan?lang=en"))
    assert 'href="?day=2026-11-22&amp;lang=en" aria-label="earlier"' in sliding
    assert '<span class="off"' in sliding
    yesterday = turn(page(works, "/e/hengyuan?day=2026-11-22&lang=en"))
    assert "Sun 11-22" in yesterday
    assert 'href="?day=2026-11-21&amp;lang=en" aria-label="earlier"' in yesterday
    assert 'href="?day=2026-11-23&amp;lang=en" aria-label="later"' in yesterday
    today = turn(page(works, "/e/hengyuan?day=2026-11-23&lang=en"))
    assert "Mon 11-23 <small>today</small>" in today
    assert '<a class="back" href="?lang=en"><small>last 24 h</small>' in today
    assert axis(page(works, TODAY))[0] == ("00", "0%")
    assert strong(page(works, TODAY)) == [("15:42", "65.42%")]


def test_the_tabs_keep_a_day_of_the_past_and_otherwise_show_the_present(works: FastAPI) -> None:
    past = page(works, "/e/hengyuan?span=7d&day=2026-11-20")
    assert '<a href="?day=2026-11-20">24 h</a>' in past
    assert '<a href="?span=30d&amp;day=2026-11-20">30 days</a>' in past
    assert '<a href="?" aria-current="true">24 h</a>' in page(works, "/e/hengyuan?day=2026-11-20")
    assert '<a href="?span=7d">7 days</a>' in page(works, TODAY)


def test_a_mean_says_which_hours_it_is_of(works: FastAPI) -> None:
    assert "Mean running hours, last 24 h" in page(works, "/e/hengyuan")
    assert "Mean running hours, today since 00:00" in page(works, TODAY)
    assert "Mean running hours of the day, 00–24" in page(works, "/e/hengyuan?day=2026-11-20")
    assert "Mean daily running hours, calendar days" in page(works, "/e/hengyuan?span=7d")


def test_a_machine_that_went_silent_is_hatched_since_then_and_its_hours_are_withheld(works: FastAPI) -> None:
    beside = row(page(works, TODAY), "3 号喷水织机")
    assert "no data since 10:40" in beside
    assert 'class="u" fill="url(#hatch)"' in beside
    assert "4.6–9.7 h" in beside
    assert "below 90 %, not normalised" in beside
    chinese = row(page(works, TODAY, "zh-CN"), "3 号喷水织机")
    assert "无数据 · 10:40 起" in chinese
    assert "不足 90 %，不折算" in chinese


def test_a_machine_is_never_painted_beyond_the_last_statement(works: FastAPI) -> None:
    drawn = row(page(works, TODAY), "1 号加弹机")
    assert 'd="M0 12h470"' in drawn  # 15:40:23 of a day of 720 two-minute units, seen at 15:42
    assert 'class="u"' not in drawn


def test_a_fork_a_gap_and_a_new_machine_say_so(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan")
    assert "1 gap" in row(html, "2 号加弹机")
    assert "1 fork" in row(html, "染缸")
    assert 'class="c" fill="url(#cross)"' in row(html, "染缸")
    assert "contested" in html
    assert "new, from 09:05" in row(html, "整经机")


def test_before_its_first_statement_a_machine_is_blank_and_not_hatched(works: FastAPI) -> None:
    beside = row(page(works, "/e/hengyuan?day=2026-11-20"), "整经机")
    assert "not installed yet" in beside
    assert "coverage" not in beside.replace('class="coverage"', "")
    assert 'class="u"' not in beside


def test_the_mean_says_how_many_machines_it_was_taken_over(works: FastAPI) -> None:
    assert "7 of 9 machines used" in page(works, "/e/hengyuan")
    assert "7 of 9 machines used" in page(works, TODAY)
    assert "of 232 machine-days used" in page(works, "/e/hengyuan?span=30d")


def test_a_simulated_clock_is_declared_and_a_real_one_is_not(works: FastAPI) -> None:
    for address in ("/", "/e/hengyuan", "/e/hengyuan/m/loom-01", "/e/hengyuan/g/dock-01"):
        assert "Demonstration clock" in page(works, address)
        assert "演示时钟" in page(works, address, "zh-CN")
    real = served(lifelike(simulated=False, days=2))
    assert "emonstration clock" not in page(real, "/e/hengyuan")


def test_one_machine_lists_every_span_and_what_it_rests_on(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/m/texturing-02?day=2026-11-23")
    assert "<td>03:00:00</td><td>03:50:00</td>" in html
    assert "<td>0:50:00</td>" in html
    assert "2 号加弹机: 03:00–03:50 no data</title>" in html
    assert "no. 0 to 8928, 8929 held" in html
    assert "running ≥ 1.2 kW, idle ≥ 0.3 kW, hysteresis 0.1 kW, dwell 30 s" in html
    assert "2026-11-23 03:00:00 – 03:50:00 · no. 8640 · box switched off" in html
    assert "at least 14.6 h, at most 15.4 h" in html
    assert "complete: no gap, no fork" in page(works, "/e/hengyuan/m/loom-01")


def test_a_list_across_midnight_says_its_days(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/m/texturing-02")
    assert re.findall(r'<th colspan="4">(.*?)</th>', html) == ["Mon 11-23", "Sun 11-22"]
    assert "<td>15:42:00</td><td>11-23 03:00:00</td>" in html
    assert "<td>24:00:00</td>" in page(works, "/e/hengyuan/m/texturing-02?day=2026-11-22")
    assert "colspan" not in page(works, "/e/hengyuan/m/texturing-02?day=2026-11-22")


def test_a_machine_says_when_it_was_last_read(works: FastAPI) -> None:
    assert "last reading 15:40, 1 min ago" in page(works, "/e/hengyuan/m/loom-01")
    assert "last reading 10:40, 5 h 02 min ago" in page(works, "/e/hengyuan/m/loom-03")
    assert "last reading" not in page(works, "/e/hengyuan/m/loom-01?day=2026-11-20")


@pytest.mark.parametrize(("span", "days"), [("7d", 7), ("30d", 30)])
def test_a_tap_on_a_day_of_several_opens_that_day(works: FastAPI, span: str, days: int) -> None:
    link = '<a href="?day=2026-11-18&amp;lang=en"'
    everyone = page(works, f"/e/hengyuan?span={span}&lang=en")
    assert everyone.count(link) == 1  # on the axis that all machines share
    assert everyone.count('<a href="?day=') == days
    assert page(works, f"/e/hengyuan/m/loom-01?span={span}&lang=en").count(link) == 1
    assert page(works, f"/e/hengyuan/g/dock-01?span={span}&lang=en").count(link) == 1


def test_a_week_says_the_hours_of_each_day(works: FastAPI) -> None:
    said = re.findall(r"<i>(.*?)</i>", row(page(works, "/e/hengyuan?span=7d"), "2 号喷水织机"))
    assert len(said) == 7
    assert said[4] == "0.0"  # their day of rest
    assert said[6] == "8.8"


@pytest.mark.parametrize("address", ["", "?day=2026-11-23", "?day=2026-11-19", "?span=7d", "?span=30d"])
def test_a_gate_shows_in_out_and_net_over_the_time_shown(works: FastAPI, address: str) -> None:
    html = page(works, f"/e/hengyuan/g/dock-01{address}")
    ins, outs = (int(n) for n in re.findall(r"<span>(?:in|out)</span><b>(\d+)</b>", html))
    assert f"<span>net</span><b>{ins - outs:+d}</b>" in html
    assert ins + outs == html.count('<td class="what">carton') + int((re.findall(r"and (\d+) more", html) or [0])[0])
    assert f"in {ins} · out {outs}" in page(works, f"/e/hengyuan{address}")


def test_a_gate_counts_every_crossing_of_its_window_and_no_other() -> None:
    voice = Voice(language=Language.EN)
    midnight = voice.midnight(date(2026, 11, 23))
    view = lifelike(days=1)
    at = [NOW_MS - DAY_MS - 1, NOW_MS - DAY_MS, midnight - 1, midnight, NOW_MS - 1]
    view.gates["hengyuan", "dock-01"] = GateView(
        crossings=[Crossing(at_ms=ms, direction=Direction.IN, what="crate", confidence_permille=900) for ms in at]
    )
    app = served(view)
    for address, ins in (("", 4), ("?day=2026-11-23", 2), ("?day=2026-11-22", 3), ("?span=7d", 5)):
        html = page(app, f"/e/hengyuan/g/dock-01{address}")
        assert f"<span>in</span><b>{ins}</b>" in html
        assert html.count('<td class="what">crate</td>') == ins


def test_a_detectors_label_is_said_in_the_readers_language_and_an_unknown_one_as_it_was_signed() -> None:
    view = lifelike(days=1)
    seen = ("goods", "carton", "person", "vehicle", "<b>pallet</b>")
    view.gates["hengyuan", "dock-01"] = GateView(
        crossings=[
            Crossing(at_ms=NOW_MS - 1000, direction=Direction.IN, what=what, confidence_permille=900) for what in seen
        ]
    )
    for language, said in (
        ("zh-CN", ["货物", "纸箱", "人员", "车辆", "&lt;b&gt;pallet&lt;/b&gt;"]),
        ("en", ["goods", "carton", "person", "vehicle", "&lt;b&gt;pallet&lt;/b&gt;"]),
    ):
        html = page(served(view), "/e/hengyuan/g/dock-01", language)
        assert re.findall(r'<td class="what">([^<]*)</td><td>90 %', html) == said


def test_a_time_in_which_a_camera_was_blind_is_hatched(works: FastAPI) -> None:
    for address in ("", "?day=2026-11-23", "?span=7d"):
        html = page(works, f"/e/hengyuan/g/dock-01{address}")
        assert "blind for 38 min" in html
        assert 'class="u" fill="url(#hatch)"' in html


def test_a_gate_whose_camera_sent_nothing_is_blind_all_the_time() -> None:
    view = lifelike(days=1)
    view.gates["hengyuan", "dock-01"] = GateView()
    assert "blind for 24 h 00 min" in page(served(view), "/e/hengyuan/g/dock-01")
    assert "blind for 15 h 42 min" in page(served(view), "/e/hengyuan/g/dock-01?day=2026-11-23")


def test_a_state_that_holds_for_longer_than_a_day_says_so_and_no_false_beginning() -> None:
    app = served(one_machine([Span(from_ms=NOW_MS - 3 * DAY_MS, to_ms=NOW_MS - 1000, state=State.STOPPED)]))
    assert "stopped for over 24 h" in page(app, "/e/works")
    assert "0.0 h" in row(page(app, "/e/works"), "loom-01")


def test_just_after_midnight_a_day_has_no_hours_yet() -> None:
    midnight = Voice(language=Language.EN).midnight(date(2026, 11, 23))
    spans = [Span(from_ms=midnight - DAY_MS, to_ms=midnight - 60_000, state=State.RUNNING)]
    app = served(one_machine(spans), midnight + 30_000)
    assert '<span class="hours">23.9 h</span>' in page(app, "/e/works")
    html = page(app, "/e/works?day=2026-11-23")
    assert "running for over 24 h" in html or "running since 11-22" in html
    assert '<span class="hours">–</span>' in html


def test_a_machine_without_any_statement_says_so() -> None:
    app = served(one_machine([], first_ms=None))
    assert "no statement yet" in page(app, "/e/works")
    assert "no statement yet" in page(app, "/e/works/m/loom-01")


def test_the_page_fetches_itself_again_only_while_it_shows_the_present(works: FastAPI) -> None:
    assert 'hx-get="/e/hengyuan?lang=en" hx-trigger="every 10s"' in page(works, "/e/hengyuan?lang=en")
    assert 'hx-trigger="every 60s"' in page(works, "/e/hengyuan?span=30d")
    assert "hx-get" not in page(works, "/e/hengyuan?day=2026-11-20")


def test_what_is_fetched_again_is_only_what_changes(works: FastAPI) -> None:
    fragment = get(works, "/e/hengyuan", hx_request="true", accept_language="en").text
    assert fragment.startswith('<main id="live"')
    assert "<html" not in fragment
    assert fragment.strip() in page(works, "/e/hengyuan")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/e/nobody", 404),
        ("/e/hengyuan/m/nothing", 404),
        ("/e/hengyuan/m/dock-01", 404),
        ("/e/hengyuan/g/loom-01", 404),
        ("/e/hengyuan?span=9d", 400),
        ("/e/hengyuan?day=yesterday", 400),
        ("/e/hengyuan?day=2027-01-01", 400),
        ("/e/hengyuan?day=0001-01-01", 400),
        ("/?span=1", 400),
        ("/static/..%2fpages.py", 404),
        ("/static/README.md", 404),
    ],
)
def test_nonsense_is_refused_in_words(works: FastAPI, address: str, status: int) -> None:
    assert get(works, address).status_code == status


def test_our_files_may_be_kept_by_the_browser_and_pages_may_not(works: FastAPI) -> None:
    assert "immutable" in get(works, "/static/page.css").headers["cache-control"]
    assert get(works, "/e/hengyuan").headers["cache-control"] == "no-store"
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page(works, "/")):
        assert get(works, path).status_code == 200


@pytest.mark.parametrize(
    ("asked", "accepted", "said"),
    [
        (None, None, Language.ZH),
        (None, "*", Language.ZH),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", Language.ZH),
        (None, "en-GB,en;q=0.9,zh;q=0.5", Language.EN),
        (None, "en;q=0.2, zh-TW;q=0.7", Language.ZH),
        (None, "fr-FR", Language.EN),
        (None, "en;q=nonsense,zh", Language.ZH),
        ("en", "zh-CN", Language.EN),
        ("zh", "en", Language.ZH),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_readers_own(
    asked: str | None, accepted: str | None, said: Language
) -> None:
    assert language_of(asked, accepted) is said


def test_every_word_has_both_languages_with_the_same_values() -> None:
    for word, (chinese, english) in WORDS.items():
        assert chinese, word
        assert english, word
        assert set(re.findall(r"{(\w+)", chinese)) == set(re.findall(r"{(\w+)", english)), word


@pytest.mark.parametrize(
    ("ms", "figure"), [(0, "0.0"), (DAY_MS, "24.0"), (DAY_MS - 60_000, "23.9"), (18 * HOUR_MS + 1_500_000, "18.4")]
)
def test_hours_are_never_rounded_up_to_a_full_day(ms: int, figure: str) -> None:
    assert hours_figure(ms) == figure


def test_coverage_is_a_hundred_only_when_nothing_is_missing() -> None:
    voice = Voice(language=Language.EN)
    assert voice.share(1000) == "100 %"
    assert voice.share(999) == "99 %"
    assert voice.share(290) == "29 %"


@pytest.fixture(scope="module")
def forty() -> FastAPI:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    source = lifelike(days=31)
    machines = [m for m in source.watched("hengyuan") if m.subject is Subject.MACHINE]
    moulding = [m for m in machines if m.key == "moulding-01"]
    steady = [m for m in machines if m.key != "moulding-01"]
    for number, like in enumerate([*moulding, *(steady * 5)[:39]]):
        key = f"{like.key}-{number}"
        put(view, replace(like, key=key, alarms=(), alarmed=0), source.states["hengyuan", like.key], enterprise="works")
    return served(view)


@pytest.mark.parametrize(
    ("address", "bars_kb", "whole_kb", "sent_kb"),
    [("", 10, 32, 6), ("?day=2026-11-22", 10, 32, 6), ("?span=7d", 30, 55, 10), ("?span=30d", 30, 55, 10)],
)
def test_forty_machines_stay_a_small_page(
    forty: FastAPI, address: str, bars_kb: int, whole_kb: int, sent_kb: int
) -> None:
    html = page(forty, "/e/works" + address).encode()
    bars = sum(len(bar) for bar in re.findall(rb'<div class="bar">(<svg.*?</svg>)', html))
    assert bars <= 1024 * bars_kb
    assert len(html) <= 1024 * whole_kb
    assert len(gzip.compress(html, 6)) <= 1024 * sent_kb
