"""The pages, asked for as a browser asks."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from fastapi import FastAPI

from cloud_sync.page_view import Enterprise, GateView, Subject, Watched
from cloud_sync.pages import pages
from cloud_sync.reports import DAY_MS, HOUR_MS, Span, State
from cloud_sync.words import WORDS, Language, Voice, hours_figure, language_of
from tests.world.view import NOW_MS, MemoryView, lifelike, put
from tests.world.visit import get

STATIC = Path(__file__).parent.parent.parent / "cloud_sync" / "static"


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


ALL = (
    "/",
    "/e/hengyuan",
    "/e/hengyuan?span=7d",
    "/e/hengyuan?span=30d",
    "/e/hengyuan?day=2026-11-20",
    "/e/hengyuan/m/loom-01",
    "/e/hengyuan/m/loom-01?span=7d",
    "/e/hengyuan/m/loom-01?span=30d&day=2026-11-10",
    "/e/hengyuan/g/dock-01",
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
    beside = row(page(works, "/e/hengyuan"), "2 号喷水织机")
    assert "8.8 h" in beside
    assert "coverage 100 %" in beside
    assert "running since 12:02" in beside


def test_a_machine_that_went_silent_is_hatched_since_then_and_its_hours_are_withheld(works: FastAPI) -> None:
    beside = row(page(works, "/e/hengyuan"), "3 号喷水织机")
    assert "no data since 10:40" in beside
    assert 'class="u" fill="url(#hatch)"' in beside
    assert "4.6–9.7 h" in beside
    assert "below 90 %, not normalised" in beside
    chinese = row(page(works, "/e/hengyuan", "zh-CN"), "3 号喷水织机")
    assert "无数据 · 10:40 起" in chinese
    assert "不足 90 %，不折算" in chinese


def test_a_machine_is_never_painted_beyond_the_last_statement(works: FastAPI) -> None:
    drawn = row(page(works, "/e/hengyuan"), "1 号加弹机")
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
    assert "of 232 machine-days used" in page(works, "/e/hengyuan?span=30d")


def test_a_simulated_clock_is_declared_and_a_real_one_is_not(works: FastAPI) -> None:
    for address in ("/", "/e/hengyuan", "/e/hengyuan/m/loom-01", "/e/hengyuan/g/dock-01"):
        assert "Demonstration clock" in page(works, address)
        assert "演示时钟" in page(works, address, "zh-CN")
    real = served(lifelike(simulated=False, days=2))
    assert "emonstration clock" not in page(real, "/e/hengyuan")


def test_one_machine_lists_every_span_and_what_it_rests_on(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/m/texturing-02")
    assert "<td>03:00:00</td><td>03:50:00</td>" in html
    assert "<td>0:50:00</td>" in html
    assert "2 号加弹机: 03:00–03:50 no data</title>" in html
    assert "no. 0 to 8928, 8929 held" in html
    assert "running ≥ 1.2 kW, idle ≥ 0.3 kW, hysteresis 0.1 kW, dwell 30 s" in html
    assert "2026-11-23 03:00:00 – 03:50:00 · no. 8640 · box switched off" in html
    assert "at least 14.6 h, at most 15.4 h" in html
    assert "complete: no gap, no fork" in page(works, "/e/hengyuan/m/loom-01")


def test_a_machine_says_when_it_was_last_read(works: FastAPI) -> None:
    assert "last reading 15:40, 1 min ago" in page(works, "/e/hengyuan/m/loom-01")
    assert "last reading 10:40, 5 h 02 min ago" in page(works, "/e/hengyuan/m/loom-03")
    assert "last reading" not in page(works, "/e/hengyuan/m/loom-01?day=2026-11-20")


def test_a_day_of_several_opens_that_day(works: FastAPI) -> None:
    month = page(works, "/e/hengyuan?span=30d&lang=en")
    assert 'href="?day=2026-11-03&amp;lang=en"' in month
    assert 'href="?day=2026-11-03&amp;lang=en"' in page(works, "/e/hengyuan/m/loom-01?span=30d&lang=en")
    assert "11-20 14" in page(works, "/e/hengyuan?span=7d")


def test_a_gate_shows_in_out_and_net_and_that_blind_is_not_zero(works: FastAPI) -> None:
    html = page(works, "/e/hengyuan/g/dock-01")
    ins, outs = (int(n) for n in re.findall(r"<span>(?:in|out)</span><b>(\d+)</b>", html))
    assert f"<span>net</span><b>{ins - outs:+d}</b>" in html
    assert ins + outs == html.count("<td>carton</td>") + int((re.findall(r"and (\d+) more", html) or [0])[0])
    assert "blind for 38 min" in html
    assert 'class="u" fill="url(#hatch)"' in html


def test_a_gate_whose_camera_sent_nothing_all_day_is_blind_all_day() -> None:
    view = lifelike(days=1)
    view.gates["hengyuan", "dock-01"] = GateView()
    html = page(served(view), "/e/hengyuan/g/dock-01")
    assert "blind for 15 h 42 min" in html


def test_a_state_that_holds_for_longer_than_a_day_says_so_and_no_false_beginning() -> None:
    app = served(one_machine([Span(from_ms=NOW_MS - 3 * DAY_MS, to_ms=NOW_MS - 1000, state=State.STOPPED)]))
    assert "stopped for over 24 h" in page(app, "/e/works")
    assert "0.0 h" in row(page(app, "/e/works"), "loom-01")


def test_just_after_midnight_a_day_has_no_hours_yet() -> None:
    midnight = Voice(language=Language.EN).midnight(date(2026, 11, 23))
    spans = [Span(from_ms=midnight - DAY_MS, to_ms=midnight - 60_000, state=State.RUNNING)]
    html = page(served(one_machine(spans), midnight + 30_000), "/e/works")
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
    assert voice.share(1.0) == "100 %"
    assert voice.share(0.99999) == "99 %"
    assert voice.share(0.29) == "29 %"


def test_forty_machines_stay_a_small_page() -> None:
    view = MemoryView(known=[Enterprise(name="works", title="Works")])
    source = lifelike(days=2)
    machines = [m for m in source.watched("hengyuan") if m.subject is Subject.MACHINE]
    moulding = [m for m in machines if m.key == "moulding-01"]
    steady = [m for m in machines if m.key != "moulding-01"]
    for number, like in enumerate([*moulding, *(steady * 5)[:39]]):
        key = f"{like.key}-{number}"
        put(view, replace(like, key=key), source.states["hengyuan", like.key], enterprise="works")
    html = page(served(view), "/e/works").encode()
    bars = sum(len(bar) for bar in re.findall(rb'<div class="bar">(<svg.*?</svg>)', html))
    assert bars <= 10 * 1024
    assert len(html) <= 40 * 1024
