"""What every Store must do; a store's test file makes a class of this one and says how to open it.

The store comes as `store`, opened by `reopen()` on the same files: each call closes the one before.
"""

from collections.abc import Callable, Sequence
from itertools import permutations
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.accept import Accepted, Refused, Repeated
from cloud_sync.derive import DAY_MS, FUTURE_MS, HOUR_MS, Paint, day_of
from cloud_sync.levels import Width
from cloud_sync.stock import Stand
from cloud_sync.store import QUARANTINE_BODY_LIMIT, QUARANTINE_PER_BOX, Bank, Quarantined, Shown, Store, Verdict
from evidence.bodies import Direction, Event, EventKind, Kind, Phase, Sight
from evidence.bodies import Verdict as EyeVerdict
from evidence.chain import Outcome, Segment
from evidence.keys import SigningKey
from evidence.statement import ClockQuality
from tests.cloud.boxes import IDLE, NOON_MS, RUNNING, STOPPED, UNKNOWN, WINDOW_MS, FakeBox, limit

LATER_MS = NOON_MS + 30 * DAY_MS
MACHINE = "machine/loom-1"
GATE = "gate/north"
HYDRANT = "fire/hydrant"
ZONE = "zone/yard"
COUNTED = EyeVerdict.COUNTED
PNG = b"\x89PNG\r\n\x1a\n"
RAISED, CLEARED, NOTED = Phase.RAISED, Phase.CLEARED, Phase.NOTED


def take(store: Store, box: FakeBox, *sealed: bytes, at_ms: int = LATER_MS) -> tuple[Verdict, ...]:
    return store.take(box.open(*sealed), received_ms=at_ms)


def outcomes(verdicts: Sequence[Verdict]) -> list[Outcome]:
    return [v.outcome if isinstance(v, Accepted) else Outcome.SEEN for v in verdicts]


def stream_id(store: Store, stream: str = MACHINE) -> int:
    return next(found.id for found in store.streams() if found.stream == stream)


def painted(store: Store, stream: str = MACHINE) -> list[tuple[int, int, int]]:
    found = stream_id(store, stream)
    return list(store.spans([found], 0, NOON_MS * 2)[found])


def derived(store: Store) -> object:
    """Everything derived that does not name the order of arrival."""
    return [
        (
            s.box,
            s.stream,
            s.forks,
            s.gaps,
            sorted((segment.first, segment.last) for segment in s.segments) if not s.forks else None,
            store.spans([s.id], 0, NOON_MS * 2)[s.id],
            store.hours(s.id, 0, NOON_MS * 2),
            store.days(s.id, 0, NOON_MS * 2),
            store.crossings(s.id, 0, NOON_MS * 2),
            store.stock(s.id, 0, NOON_MS * 2),
            store.pictures(s.id, 0, NOON_MS * 2, 999),
            store.certificate(s.id, NOON_MS * 2),
            store.alarms([s.id], 99)[s.id],
            sorted(map(repr, store.events(s.id, 0, NOON_MS * 2, 999).newest)),
            [store.levels([s.id], 0, NOON_MS * 2, width)[s.id] for width in Width],
        )
        for s in store.streams()
    ]


class StoreContract:
    """The tests; `fresh` makes a new empty store."""

    @pytest.fixture
    def store(self, fresh: Callable[[], Store]) -> Store:
        return fresh()

    # Storing.

    def test_a_whole_notebook_is_one_segment_from_0(self, store: Store) -> None:
        box = FakeBox()
        verdicts = take(store, box, box.settings(MACHINE), *box.windows(3))
        assert outcomes(verdicts) == [Outcome.NEXT] * 4
        (receipt,) = store.held("box-1")
        assert (receipt.stream, receipt.mark) == (MACHINE, 3)
        assert receipt.segments == (Segment(0, 3, b"", box.heads[MACHINE][1]),)

    def test_a_statement_sent_twice_is_stored_once(self, store: Store) -> None:
        box = FakeBox()
        sealed = box.windows(2)
        take(store, box, *sealed)
        before = derived(store), store.last_commit()
        assert all(isinstance(v, Repeated) for v in take(store, box, *sealed))
        assert (derived(store), store.last_commit()) == before

    def test_a_statement_twice_in_one_batch_is_stored_once(self, store: Store) -> None:
        box = FakeBox()
        (sealed,) = box.windows(1)
        first, second = take(store, box, sealed, sealed)
        assert isinstance(first, Accepted)
        assert isinstance(second, Repeated)
        assert store.last_commit() == 1

    def test_a_hole_is_named_and_closes_when_it_is_filled(self, store: Store) -> None:
        box = FakeBox()
        sealed = box.windows(5)
        assert outcomes(take(store, box, *sealed[:2], sealed[4])) == [Outcome.NEXT, Outcome.NEXT, Outcome.GAP]
        (receipt,) = store.held("box-1")
        assert [(s.first, s.last) for s in receipt.segments] == [(0, 1), (4, 4)]
        take(store, box, sealed[3])
        take(store, box, sealed[2])
        (receipt,) = store.held("box-1")
        assert [(s.first, s.last) for s in receipt.segments] == [(0, 4)]

    def test_a_cloned_box_shows_as_a_fork_and_both_pages_are_kept(self, store: Store) -> None:
        box = FakeBox()
        first = box.windows(2)
        clone = box.copy()
        theirs, ours = clone.windows(2, state=STOPPED), box.windows(2)
        verdicts = take(store, box, *first, *ours, *theirs)
        assert outcomes(verdicts) == [*[Outcome.NEXT] * 4, Outcome.FORK, Outcome.FORK]
        (stream,) = store.streams()
        assert stream.forks == (2,)
        assert stream.held == 6
        assert {(s.first, s.last) for s in stream.segments} == {(0, 3), (2, 3)}
        assert painted(store) == [
            (NOON_MS, NOON_MS + 2 * WINDOW_MS, Paint.RUNNING),
            (NOON_MS + 2 * WINDOW_MS, NOON_MS + 4 * WINDOW_MS, Paint.CONTESTED),
        ]

    def test_a_withheld_branch_is_a_fork_even_before_it_is_shown(self, store: Store) -> None:
        box = FakeBox()
        clone = box.copy()
        ours, theirs = box.windows(3), clone.windows(3, state=STOPPED)
        take(store, box, *ours[:2], theirs[2])
        assert store.streams()[0].forks == (1,)
        take(store, box, theirs[1], theirs[0])
        assert store.streams()[0].forks == (0,)

    def test_streams_of_two_boxes_never_mix(self, store: Store) -> None:
        boxes = [FakeBox(box="box-1"), FakeBox(box="box-2")]
        for box in boxes:
            take(store, box, *box.windows(2))
        assert [(s.box, s.mark) for s in store.streams()] == [("box-1", 1), ("box-2", 1)]
        assert [r.segments[0].sha256 for box in boxes for r in store.held(box.box)] == [
            b.heads[MACHINE][1] for b in boxes
        ]

    def test_what_was_taken_is_there_after_opening_again(self, store: Store, reopen: Callable[[], Store]) -> None:
        box = FakeBox()
        sealed = box.windows(4)
        take(store, box, *sealed[:3])
        again = reopen()
        assert again.held("box-1")[0].mark == 2
        assert outcomes(take(again, box, *sealed)) == [Outcome.SEEN] * 3 + [Outcome.NEXT]

    def test_two_stores_on_one_database_see_each_other(self, store: Store, second: Callable[[], Store]) -> None:
        other = second()
        box = FakeBox()
        sealed = box.windows(6)
        take(store, box, *sealed[:2])
        take(other, box, *sealed[2:4])
        assert outcomes(take(store, box, *sealed[3:])) == [Outcome.SEEN, Outcome.NEXT, Outcome.NEXT]
        assert other.held("box-1")[0].mark == 5
        assert store.streams()[0].mark == 5

    def test_the_bytes_come_back_verbatim_in_commit_order(self, store: Store) -> None:
        box = FakeBox()
        sealed = [box.commissioning(), box.settings(MACHINE), *box.windows(3), box.heartbeat()]
        take(store, box, *sealed)
        shown = {s.id: Shown() for s in store.streams()}
        commits = store.commits(shown, after=0, up_to=99, at_most=99, at_most_bytes=1 << 20)
        assert [c.encoded for c in commits] == sealed
        assert [c.seq for c in commits] == list(range(1, 7))

    # Derived rows.

    def test_running_stopped_and_unknown_are_painted_as_signed(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.readings(spans=((0, RUNNING), (60_000, STOPPED), (120_000, UNKNOWN), (180_000, IDLE))))
        assert painted(store) == [
            (NOON_MS, NOON_MS + 60_000, Paint.RUNNING),
            (NOON_MS + 60_000, NOON_MS + 120_000, Paint.STOPPED),
            (NOON_MS + 180_000, NOON_MS + WINDOW_MS, Paint.IDLE),
        ]

    def test_hours_and_days_add_up(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, *box.windows(15 * 12))
        found = stream_id(store)
        hours = store.hours(found, 0, NOON_MS * 2)
        assert [hour["running_ms"] for hour in hours.values()] == [HOUR_MS] * 15
        days = store.days(found, 0, NOON_MS * 2)
        assert {at: day["running_ms"] for at, day in days.items()} == {
            day_of(NOON_MS): 12 * HOUR_MS,
            day_of(NOON_MS) + DAY_MS: 3 * HOUR_MS,
        }

    def test_crossings_are_counted_and_blindness_is_not_a_zero(self, store: Store) -> None:
        box = FakeBox()
        ways = (Direction.IN, Direction.IN, Direction.OUT)
        take(store, box, box.crossings(ways=ways, sight=((0, Sight.CLEAR), (200_000, Sight.BLIND))))
        found = stream_id(store, GATE)
        (hour,) = store.hours(found, 0, NOON_MS * 2).values()
        assert (hour["crossed_in"], hour["crossed_out"], hour["clear_ms"], hour["blind_ms"]) == (2, 1, 200_000, 100_000)
        assert [c.direction for c in store.crossings(found, NOON_MS, NOON_MS + WINDOW_MS)] == list(ways)
        assert store.crossings(found, NOON_MS + 1, NOON_MS + 1000) == ()

    def test_two_counts_of_one_time_are_contested(self, store: Store) -> None:
        box = FakeBox()
        clone = box.copy()
        take(store, box, box.crossings(ways=(Direction.IN,)), clone.crossings(ways=(Direction.OUT,)))
        assert painted(store, GATE) == [(NOON_MS, NOON_MS + WINDOW_MS, Paint.CONTESTED)]

    def test_a_crossing_says_who_saw_it_and_what_is_doubtful(self, store: Store) -> None:
        box = FakeBox()
        ways = [Direction.IN, Direction.OUT]
        take(store, box, box.crossings(ways=ways, others=["foreground"], doubts=[(300, 2, 4)]))
        take(store, box, box.crossings(ways=ways[:1], from_ms=NOON_MS + WINDOW_MS))
        first, second, third = store.crossings(stream_id(store, GATE), 0, NOON_MS * 2)
        assert (first.confidence_permille, first.sources, first.looked, first.uncertain) == (300, ("foreground",), 2, 4)
        assert (second.sources, second.looked, second.uncertain) == (("test",), 2, 0)
        assert (third.sources, third.looked) == ((), 0)

    def test_a_zone_has_its_count_as_long_as_it_was_said(self, store: Store) -> None:
        box = FakeBox()
        sealed = box.stock([(0, COUNTED, 48, 2), (60_000, EyeVerdict.OCCLUDED, 48, 2), (90_000, COUNTED, 50)])
        take(store, box, sealed, box.stock([(0, COUNTED, 50)], from_ms=NOON_MS + WINDOW_MS))
        assert store.stock(stream_id(store, ZONE), NOON_MS, NOON_MS * 2) == (
            Stand(NOON_MS, NOON_MS + 60_000, COUNTED, 48, 2),
            Stand(NOON_MS + 60_000, NOON_MS + 90_000, EyeVerdict.OCCLUDED, 48, 2),
            Stand(NOON_MS + 90_000, NOON_MS + 2 * WINDOW_MS, COUNTED, 50, 0),
        )
        assert len(store.stock(stream_id(store, ZONE), NOON_MS + 100_000, NOON_MS + 100_001)) == 1
        assert store.stock(stream_id(store, ZONE), NOON_MS + 2 * WINDOW_MS, NOON_MS * 2) == ()

    def test_a_zone_that_was_never_counted_has_no_zero(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.stock([(0, EyeVerdict.BLIND, None)]))
        (stand,) = store.stock(stream_id(store, ZONE), 0, NOON_MS * 2)
        assert (stand.verdict, stand.items) == (EyeVerdict.BLIND, None)

    def test_two_counts_of_one_zone_are_contested_and_none_is_picked(self, store: Store) -> None:
        box = FakeBox()
        clone = box.copy()
        take(store, box, box.stock([(0, COUNTED, 48)]), clone.stock([(0, COUNTED, 48), (60_000, COUNTED, 40)]))
        assert store.stock(stream_id(store, ZONE), 0, NOON_MS * 2) == (
            Stand(NOON_MS, NOON_MS + 60_000, COUNTED, 48, 0),
            Stand(NOON_MS + 60_000, NOON_MS + WINDOW_MS, None, None, 0),
        )

    def test_nothing_is_counted_in_the_future(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.stock([(0, COUNTED, 48)], length_ms=DAY_MS), at_ms=NOON_MS)
        (stand,) = store.stock(stream_id(store, ZONE), 0, NOON_MS * 2)
        assert stand.to_ms == NOON_MS + FUTURE_MS

    def test_the_last_statement_of_a_zone_is_found(self, store: Store) -> None:
        box = FakeBox()
        first = box.stock([(0, COUNTED, 48)])
        second = box.stock([(0, COUNTED, 50)], from_ms=NOON_MS + WINDOW_MS)
        take(store, box, first, second, box.certificate())
        found = stream_id(store, ZONE)
        assert store.last_stock(found, NOON_MS * 2) == second
        assert store.last_stock(found, NOON_MS + WINDOW_MS) == first
        assert store.last_stock(found, NOON_MS) is None

    def test_a_picture_is_one_however_often_it_is_told_and_its_bytes_are_found(self, store: Store) -> None:
        box = FakeBox()
        stays = box.picture(PNG + b"1")
        leaves = box.picture(PNG + b"1", leaves=True)
        take(store, box, stays, leaves, box.picture(PNG + b"1"), box.picture(PNG + b"2", from_ms=NOON_MS + HOUR_MS))
        found = stream_id(store, ZONE)
        told = store.pictures(found, 0, NOON_MS * 2, 9)
        assert (told.count, told.here) == (2, 1)
        assert [(one.is_here, one.from_ms) for one in told.newest] == [(False, NOON_MS + HOUR_MS), (True, NOON_MS)]
        assert [store.picture(found, one.sha256) for one in told.newest] == [None, leaves]
        assert len(store.pictures(found, 0, NOON_MS * 2, 1).newest) == 1
        assert store.pictures(found, 0, NOON_MS + HOUR_MS, 9).count == 0

    def test_the_certificate_of_a_time_is_the_last_one_before_it(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.certificate(passed=False), box.certificate(at_ms=NOON_MS + DAY_MS))
        found = stream_id(store, ZONE)
        assert store.certificate(found, NOON_MS) is None
        said = [store.certificate(found, at_ms) for at_ms in (NOON_MS + 1, NOON_MS + DAY_MS + 1)]
        assert [one.passed for one in said if one is not None] == [False, True]

    def test_a_camera_that_is_covered_is_an_alarm_of_its_gate(self, store: Store) -> None:
        box = FakeBox()
        event = Event(at_ms=NOON_MS, event=EventKind.CAMERA, phase=RAISED, subject="covered", says="one colour")
        take(store, box, box.crossings(), box.events(event, stream=GATE))
        assert store.streams()[0].alarms == 1

    def test_a_signed_gap_is_kept_with_its_reason(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.readings(), box.gap(from_ms=NOON_MS + WINDOW_MS, lost=7))
        (gap,) = store.gaps(stream_id(store))
        assert (gap.n, gap.from_ms, gap.to_ms, gap.lost) == (1, NOON_MS + WINDOW_MS, NOON_MS + 2 * WINDOW_MS, 7)
        assert store.streams()[0].gaps == 1

    def test_what_is_raised_is_an_alarm_until_it_is_cleared(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.sensed([86]), box.events(limit(RAISED), limit(RAISED, NOON_MS + 60_000, value=80)))
        found = stream_id(store, HYDRANT)
        (alarm,) = store.alarms([found], 9)[found]
        assert (alarm.event, alarm.subject, alarm.value, alarm.reference) == (EventKind.LIMIT, "pressure", 80, 100)
        assert alarm.at_ms == NOON_MS, "since it was raised first, and not since it was said again"
        assert store.streams()[0].alarms == 1
        take(store, box, box.events(limit(CLEARED, NOON_MS + 90_000, value=106)))
        assert store.alarms([found], 9)[found] == ()
        assert store.streams()[0].alarms == 0
        told = store.events(found, NOON_MS, NOON_MS + HOUR_MS, 2)
        assert [(event.phase, event.value) for event in told.newest] == [(CLEARED, 106), (RAISED, 80)]
        assert told.count == 3
        assert store.events(found, NOON_MS, NOON_MS + 90_000, 9).count == 2
        assert store.event_counts([found], NOON_MS, NOON_MS + 90_000) == {found: 2}

    def test_a_clearing_that_comes_before_its_raising_leaves_no_alarm(self, store: Store) -> None:
        box = FakeBox()
        raised, cleared, again = (
            box.events(limit(phase, NOON_MS + minute * 60_000))
            for minute, phase in enumerate((RAISED, CLEARED, RAISED))
        )
        take(store, box, cleared)
        found = stream_id(store, HYDRANT)
        assert store.alarms([found], 9)[found] == ()
        take(store, box, raised)
        assert store.alarms([found], 9)[found] == ()
        take(store, box, again)
        assert [alarm.at_ms for alarm in store.alarms([found], 9)[found]] == [NOON_MS + 2 * 60_000]

    def test_what_is_raised_goes_by_the_chain_and_not_by_a_clock_that_was_set_back(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.events(limit(RAISED, NOON_MS + HOUR_MS)), box.events(limit(CLEARED, NOON_MS)))
        assert store.streams()[0].alarms == 0

    def test_each_subject_of_each_kind_is_raised_by_itself_and_what_is_noted_is_no_alarm(self, store: Store) -> None:
        box = FakeBox()
        loop = Event(at_ms=NOON_MS, event=EventKind.COMPONENT, phase=RAISED, subject="pressure", says="火警")
        take(store, box, box.events(limit(RAISED), loop, limit(NOTED, subject="noted"), limit(RAISED, subject="other")))
        take(store, box, box.events(limit(CLEARED, NOON_MS + 1)))
        found = stream_id(store, HYDRANT)
        alarms = [(alarm.event, alarm.subject, alarm.says) for alarm in store.alarms([found], 9)[found]]
        assert alarms == [
            (EventKind.LIMIT, "other", "86 kPa, below 100 kPa"),
            (EventKind.COMPONENT, "pressure", "火警"),
        ]
        assert len(store.alarms([found], 1)[found]) == 1
        assert store.streams()[0].alarms == 2

    def test_of_two_histories_the_one_that_raises_counts(self, store: Store, fresh: Callable[[], Store]) -> None:
        box = FakeBox()
        clone = box.copy()
        sealed = box.events(limit(RAISED)), clone.events(limit(CLEARED))
        for one, other in (sealed, sealed[::-1]):
            store = fresh()
            take(store, box, one)
            take(store, box, other)
            assert store.streams()[0].alarms == 1

    def test_an_event_of_a_clock_that_runs_ahead_is_not_left_out(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.events(limit(RAISED, NOON_MS + DAY_MS)), at_ms=NOON_MS)
        found = stream_id(store, HYDRANT)
        assert [alarm.at_ms for alarm in store.alarms([found], 9)[found]] == [NOON_MS + FUTURE_MS]

    def test_a_sensors_values_are_kept_by_the_quarter_of_an_hour(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.sensed([120, 118, None, 131]), box.sensed([90], from_ms=NOON_MS + Width.QUARTER))
        take(store, box, box.sensed([115], from_ms=NOON_MS + 4 * 60_000))
        found = stream_id(store, HYDRANT)
        ((measure, measured),) = store.levels([found], NOON_MS, NOON_MS + HOUR_MS, Width.QUARTER)[found].items()
        assert measure == ("pressure", "kPa", 0)
        assert list(measured.slots) == [(NOON_MS, 115, 131), (NOON_MS + Width.QUARTER, 90, 90)]
        assert (measured.last_ms, measured.last) == (NOON_MS + Width.QUARTER, 90)
        (hourly,) = store.levels([found], NOON_MS, NOON_MS + HOUR_MS, Width.HOUR)[found].values()
        assert list(hourly.slots) == [(NOON_MS, 90, 131)]
        (daily,) = store.levels([found], day_of(NOON_MS), NOON_MS + HOUR_MS, Width.DAY)[found].values()
        assert list(daily.slots) == [(day_of(NOON_MS), 90, 131)]
        (later,) = store.levels([found], NOON_MS + HOUR_MS, NOON_MS + DAY_MS, Width.QUARTER)[found].values()
        assert (list(later.slots), later.last) == ([], 90)
        (before,) = store.levels([found], NOON_MS, NOON_MS + Width.QUARTER, Width.QUARTER)[found].values()
        assert (before.last_ms, before.last) == (NOON_MS + 4 * 60_000, 115)
        assert store.levels([found], 0, NOON_MS, Width.QUARTER)[found] == {}

    def test_a_sensor_is_heard_where_it_answered_and_for_a_period_more(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.sensed([120, 118, None, None, None, 131]))
        assert painted(store, HYDRANT) == [
            (NOON_MS, NOON_MS + 3 * 60_000, Paint.HEARD),
            (NOON_MS + 5 * 60_000, NOON_MS + 7 * 60_000, Paint.HEARD),
        ]
        assert store.hours(stream_id(store, HYDRANT), 0, NOON_MS * 2) == {}

    def test_a_value_that_no_database_holds_is_measured_by_nobody(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.sensed([(1 << 63) + 1, 7, -(1 << 63)]))
        found = stream_id(store, HYDRANT)
        (measured,) = store.levels([found], 0, NOON_MS * 2, Width.DAY)[found].values()
        assert [slot[1:] for slot in measured.slots] == [(7, 7)]

    def test_time_that_has_not_come_yet_is_not_painted(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, box.readings(), at_ms=NOON_MS)
        assert painted(store) == [(NOON_MS, NOON_MS + 60_000, Paint.RUNNING)]

    def test_a_simulated_clock_is_remembered(self, store: Store) -> None:
        real, desk = FakeBox(box="box-1"), FakeBox(box="box-2", clock=ClockQuality.SIMULATED)
        take(store, real, *real.windows(1))
        take(store, desk, *desk.windows(2))
        assert [s.simulated for s in store.streams()] == [False, True]

    def test_the_newest_statement_of_a_kind_is_found(self, store: Store) -> None:
        box = FakeBox()
        sealed = [box.settings(MACHINE, "Old"), *box.windows(1), box.settings(MACHINE, "New"), *box.windows(1)]
        take(store, box, *sealed)
        found = stream_id(store)
        assert store.newest(found, Kind.CONFIGURATION) == sealed[2]
        assert store.newest(found) == sealed[3]
        assert store.newest(found, Kind.HEARTBEAT) is None

    def test_every_order_of_arrival_derives_the_same(self, fresh: Callable[[], Store]) -> None:
        box = FakeBox()
        clone = box.copy()
        sealed = [*box.windows(2), *clone.windows(1, state=STOPPED), box.gap(from_ms=NOON_MS + 9 * WINDOW_MS)]
        sealed += [box.events(limit(phase)) for phase in (RAISED, CLEARED)]
        sealed.append(clone.events(limit(RAISED, value=90)))
        expected = None
        for order in list(permutations(sealed))[::211]:
            store = fresh()
            for statement in order:
                take(store, box, statement)
            expected = derived(store) if expected is None else expected
            assert derived(store) == expected

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 1 << 32))
    def test_a_rebuild_gives_what_was_there(self, fresh: Callable[[], Store], seed: int) -> None:
        dice = Random(seed)
        box = FakeBox()
        sealed = a_life(box, dice)
        dice.shuffle(sealed)
        store = fresh()
        store.enrol(box.enrolled)
        while sealed:
            count = dice.randint(1, 5)
            batch, sealed = sealed[:count], sealed[count:]
            take(store, box, *batch, *dice.sample(batch, 1), at_ms=NOON_MS + dice.choice([WINDOW_MS, HOUR_MS, DAY_MS]))
        before = derived(store), [s.segments for s in store.streams() if not s.forks]
        for stream in store.streams():
            done = store.rebuild(stream.id)
            assert (done.statements, done.broken) == (stream.held, ())
        assert (derived(store), [s.segments for s in store.streams() if not s.forks]) == before

    # Refusals.

    def test_quarantine_keeps_a_piece_once_and_counts_it(self, store: Store) -> None:
        for at_ms in (5, 9):
            store.take([], [piece(b"noise", at_ms=at_ms)], received_ms=at_ms)
        (found,) = store.quarantine("box-1")
        assert (found.body, found.times, found.first_ms, found.last_ms) == (b"noise", 2, 5, 9)
        assert [r.reason for r in store.refusals("box-1")] == ["no CBOR"]
        assert store.refusals("box-2") == ()

    def test_quarantine_is_bounded_in_pieces_and_bytes(self, store: Store) -> None:
        store.take([], [piece(b"n%d" % i, at_ms=i) for i in range(QUARANTINE_PER_BOX + 10)], received_ms=1)
        found = store.quarantine("box-1")
        assert len(found) == QUARANTINE_PER_BOX
        assert found[0].body == b"n10"
        store.take([], [piece(b"x" * (QUARANTINE_BODY_LIMIT + 1), at_ms=10**6)], received_ms=1)
        last = store.quarantine("box-1")[-1]
        assert (len(last.body), last.length) == (QUARANTINE_BODY_LIMIT, QUARANTINE_BODY_LIMIT + 1)

    def test_what_is_refused_for_now_is_not_named_in_a_receipt(self, store: Store) -> None:
        store.take([], [piece(b"early", for_good=False)], received_ms=1)
        assert store.refusals("box-1") == ()
        assert len(store.quarantine()) == 1

    def test_the_seventeenth_page_with_one_number_is_quarantined(self, store: Store) -> None:
        box = FakeBox()
        many = [box.copy().readings(rows=i) for i in range(1, 18)]
        verdicts = take(store, box, *many)
        assert [type(v) for v in verdicts] == [Accepted] * 16 + [Refused]
        (found,) = store.quarantine("box-1")
        assert found.body == many[-1]

    # Roster, banks and grants.

    def test_a_box_is_enrolled_once_and_may_have_a_second_key(self, store: Store) -> None:
        box = FakeBox()
        assert store.enrol(box.enrolled)
        assert not store.enrol(box.enrolled)
        assert store.enrol(FakeBox().enrolled)
        assert len(store.roster()) == 2
        assert box.enrolled in store.roster()

    def test_a_grant_stands_until_it_is_revoked_and_a_new_one_has_a_new_number(self, store: Store) -> None:
        store.add_bank(Bank(bank="bank-1", key=SigningKey.generate().public, added_ms=1))
        first = store.grant(bank="bank-1", box="box-1", pattern="machine/*", from_ms=0, at_ms=5)
        again = store.grant(bank="bank-1", box="box-1", pattern="machine/*", from_ms=0, at_ms=6)
        assert first == again
        assert store.grants("bank-1") == (first,)
        assert store.grants("bank-2") == ()
        assert store.revoke(bank="bank-1", box="box-1", pattern="machine/*", at_ms=7) == 1
        assert store.revoke(bank="bank-1", box="box-1", pattern="machine/*", at_ms=7) == 0
        assert store.grants() == ()
        assert store.grant(bank="bank-1", box="box-1", pattern="machine/*", from_ms=0, at_ms=8).id > first.id

    def test_a_bank_can_get_a_new_key(self, store: Store) -> None:
        for _ in range(2):
            key = SigningKey.generate().public
            store.add_bank(Bank(bank="bank-1", key=key, added_ms=1))
        (bank,) = store.banks()
        assert bank.key == key

    # The feed.

    def test_pages_are_bounded_in_statements_and_bytes_but_never_empty(self, store: Store) -> None:
        box = FakeBox()
        sealed = box.windows(5)
        take(store, box, *sealed)
        shown = {stream_id(store): Shown()}
        page = store.commits(shown, after=1, up_to=99, at_most=2, at_most_bytes=1 << 20)
        assert [c.seq for c in page] == [2, 3]
        page = store.commits(shown, after=1, up_to=99, at_most=9, at_most_bytes=len(sealed[1]) + len(sealed[2]))
        assert [c.seq for c in page] == [2, 3]
        assert [c.seq for c in store.commits(shown, after=1, up_to=99, at_most=9, at_most_bytes=1)] == [2]
        assert store.commits(shown, after=5, up_to=99, at_most=9, at_most_bytes=1) == ()
        assert [c.seq for c in store.commits(shown, after=1, up_to=3, at_most=9, at_most_bytes=1 << 20)] == [2, 3]

    def test_a_feed_shows_only_its_streams_and_its_time_and_always_the_settings(self, store: Store) -> None:
        box = FakeBox()
        old, other = box.windows(2), box.windows(2, "machine/loom-2")
        take(store, box, box.settings("machine/loom-3"), *old, *other, box.settings(MACHINE), *box.windows(1))
        shown = {stream_id(store): Shown(from_ms=NOON_MS + 2 * WINDOW_MS)}
        commits = store.commits(shown, after=0, up_to=99, at_most=9, at_most_bytes=1 << 20)
        assert [c.seq for c in commits] == [3, 6, 7]
        shown = {stream_id(store): Shown(until_ms=NOON_MS + 2 * WINDOW_MS, settings=False)}
        assert [c.seq for c in store.commits(shown, after=0, up_to=99, at_most=9, at_most_bytes=1 << 20)] == [2]

    def test_a_commit_is_known_by_its_hash(self, store: Store) -> None:
        box = FakeBox()
        take(store, box, *box.windows(2))
        assert store.hash_of_commit(store.last_commit()) == box.heads[MACHINE][1]
        assert store.hash_of_commit(3) is None


def piece(body: bytes, *, at_ms: int = 1, for_good: bool = True) -> Quarantined:
    return Quarantined(
        box="box-1",
        sha256=body[:32].ljust(32),
        reason="no CBOR",
        for_good=for_good,
        body=body,
        length=len(body),
        first_ms=at_ms,
        last_ms=at_ms,
    )


def a_life(box: FakeBox, dice: Random) -> list[bytes]:
    """A few streams with overlapping, contradicting windows, gaps, forks and settings."""
    states = [UNKNOWN, STOPPED, IDLE, RUNNING]
    sealed = [box.commissioning(), box.settings(MACHINE)]
    clone = box.copy()
    for _ in range(dice.randint(3, 14)):
        author = clone if dice.random() < 0.2 else box
        from_ms = NOON_MS + dice.randrange(20) * WINDOW_MS // 2
        match dice.randrange(11):
            case 0:
                sealed.append(author.gap(from_ms=from_ms))
            case 1:
                ways = dice.choices(list(Direction), k=dice.randrange(4))
                sight = [(0, dice.choice(list(Sight))), (150_000, dice.choice(list(Sight)))]
                sealed.append(author.crossings(from_ms=from_ms, ways=ways, sight=sight))
            case 2 | 3:
                phases = dice.choices([RAISED, CLEARED, NOTED], k=dice.randint(1, 3))
                subject = dice.choice(["pressure", "other"])
                events = [limit(phase, from_ms, subject, value=dice.randrange(200)) for phase in phases]
                sealed.append(author.events(*events, stream=dice.choice([HYDRANT, MACHINE])))
            case 4:
                values = [dice.choice([None, *range(90, 120)]) for _ in range(dice.randint(1, 20))]
                sealed.append(author.sensed(values, from_ms=from_ms, decimals=dice.randrange(2)))
            case 5:
                verdict = dice.choice(list(EyeVerdict))
                items = dice.randrange(60, 64)
                sealed.append(author.stock([(0, COUNTED, items), (200_000, verdict, items)], from_ms=from_ms))
            case 6:
                data = dice.choice([b"one", b"two"])
                sealed.append(author.picture(PNG + data, from_ms=from_ms, leaves=dice.random() < 0.5))
            case 7:
                sealed.append(author.certificate(at_ms=from_ms, passed=dice.random() < 0.5))
            case _:
                spans = [(offset, dice.choice(states)) for offset in (0, 100_000, 200_000)[: dice.randint(1, 3)]]
                sealed.append(author.readings(from_ms=from_ms, spans=spans))
    return sealed
