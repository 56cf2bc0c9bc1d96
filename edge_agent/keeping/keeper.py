"""Keeping what `poll` reads: group commits of readings, sealing of windows, and the box's own notebook.

One keeper, one thread. Once per commit interval it takes all readings that arrived, and in ONE transaction writes them
into the journal, seals the windows that are due, and moves the heads. So a power cut costs at most one interval of
readings, and a reading is never both lost and sealed, nor sealed twice.

While nothing can be signed (the process with the key is away), readings go into the journal all the same.
When the disk or the quota is full, readings wait in their windows, and the disk is tried again every REST_MS; a window
that is full then is emptied, and how many readings that cost is signed as soon as there is room.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Any, Final
from zlib import crc32

from edge_agent import __version__
from edge_agent.config.load import Box
from edge_agent.keeping.arrivals import Arrivals, Lost
from edge_agent.keeping.room import FORGET_AT_ONCE, ROOM_EVERY, Room
from edge_agent.keeping.signer import LastRun, Signer, opening
from edge_agent.keeping.spool import Head, SpoolDamagedError, SpoolError, SpoolFullError
from edge_agent.keeping.wall import Step, Wall
from edge_agent.keeping.window import Measured, Window
from edge_agent.reading import Reading
from edge_agent.signing.remote import PenError
from evidence.bodies import (
    HEADS_LIMIT,
    Boot,
    ClockStep,
    Commissioning,
    Gap,
    GapReason,
    Heartbeat,
    Keep,
    Shutdown,
)
from evidence.judging.standing import Standing

PROCESS: Final = "poll"
SOFTWARE: Final = f"qianliyan {__version__}"
CHANGE_SEAL_MS: Final = 30_000
"""A change of state is sealed at once, but a chattering machine at most this often."""
NEWS_AT_ONCE: Final = 10
"""So many windows are sealed at the very commit that brought an event; then at most that often, until all is calm."""
REPORTED_LIMIT: Final = 4096
"""Events that a device reported and that wait for room on the disk, of one stream at most."""
LATENESS_MS: Final = 30_000
"""A window without any reading is sealed up to this long ago, so a late answer still finds its window open."""
CLEAR_JOURNAL_EVERY: Final = 30
"""Commits between two clearings of the journal."""
REST_MS: Final = 5_000
"""Between two attempts to write to a spool that could not be written."""

GATHER_S: Final = 0.1
"""How long a commit waits for the answers that come with the first."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    """One machine's stream while the keeper runs."""

    id: int
    window: Window
    due_ms: int
    journal_after: int
    sealed_at_ms: int
    changed: bool = False
    hurried: int = 0
    """How many windows were sealed before their time, one after another."""
    thinned: bool = False
    """Whether minutes were sealed in place of samples, and that was said."""
    lost: Lost | None = None

    def lose(self, lost: Lost) -> None:
        """Count readings as lost, until that is signed."""
        self.lost = lost if self.lost is None else self.lost + lost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """What a transaction does to a stream; taken over in memory only after the commit."""

    stream: _Stream
    to_ms: int
    carry: Standing
    thinned: bool = False
    in_time: bool = True
    """Whether its time had come."""


class Keeper:
    """Takes readings from any thread; keeps, seals and signs them from its own."""

    def __init__(
        self, signer: Signer, box: Box, settings: dict[str, dict[str, Any]], box_settings: dict[str, Any]
    ) -> None:
        """`settings` are those of the machines' streams, by stream. Nothing is written before `start`."""
        self._signer, self._spool, self._clock = signer, signer.spool, signer.clock
        self._box = box
        self._settings = settings
        self._box_settings = box_settings | {"software": SOFTWARE}
        self._arrivals = Arrivals()
        self._streams: dict[str, _Stream] = {}
        self._pending: list[tuple[int, bytes]] = []
        self._journal_id = 0
        self._wall = Wall(self._clock)
        self._heartbeat_due_ms = self._rests_until_ms = 0
        self._commits = 0
        self._room = Room(self._spool, box.disk_quota_bytes)
        self._in_trouble = False

    def deliver(self, reading: Reading) -> None:
        """Take a reading over; any thread may call. Never waits for the disk."""
        self._arrivals.put(reading)

    def start(self) -> None:
        """Sign what the last run left unsealed, the boot, the gap since, and every stream's settings.

        One transaction: a crash in the middle of it leaves everything for the next start. Raises SpoolError.
        """
        self._spool.claim(PROCESS)
        self._spool.take_reserve()
        try:
            self._begin()
        except SpoolFullError as full:
            log.warning("%s; using the reserve", full)
            self._spool.give_reserve()
            self._spool.forget_receipted(at_most=FORGET_AT_ONCE)
            self._begin()
        log.info("keeping streams=%d spool=%s", len(self._streams), self._box.spool)

    def run(self, stop: Event) -> None:
        """Keep until `stop` is set; `finish` then seals the rest. Raises SpoolDamagedError.

        A commit follows the first reading that waits by GATHER_S and the commit before by an interval: machines that
        are asked on one grid are answered together, kept together, and seldom lost together.
        """
        every_s = self._box.commit_every_ms / 1000
        gather_s = min(GATHER_S, every_s / 2)
        while not stop.is_set():
            if self._arrivals.wait(every_s):
                stop.wait(gather_s)
            self.step()
            stop.wait(every_s - gather_s)

    def step(self) -> None:
        """Keep everything that was delivered so far; windows that are due are sealed."""
        more = True
        while more:
            step = self._wall.look()
            more = self._take_in(step)
            if self._clock.steady_ms() < self._rests_until_ms:
                self._bound_memory()
                continue
            if not self._attempt(self._commit):
                return
            if step is not None and not more:
                if not self._attempt(partial(self._follow_the_clock, self._began(step))):
                    return
                more = True  # what was measured in the new time waits
        if self._commits % ROOM_EVERY == 0:
            self._attempt(self._room.look)

    def change(self, box: Box, settings: dict[str, dict[str, Any]], box_settings: dict[str, Any]) -> None:
        """Go on by another configuration: what was measured by the old one is sealed, and the new one is signed.

        Streams whose settings are the same go on as if nothing had been. Called between two `run`s, when nobody asks
        by the old configuration any more. Raises SpoolError, and then nothing has changed.
        """
        self.step()
        now_ms, box_settings = self._clock.utc_ms(), box_settings | {"software": SOFTWARE}
        same = {name for name, old in self._settings.items() if old == settings.get(name)}
        streams = {name: self._streams[name] for name in same}
        with self._spool.writing():
            self._signer.declare("box", box_settings)
            for name in self._streams.keys() - same:
                sealed = self._seal(self._streams[name], now_ms, self._journal_id)
                if name in settings:
                    streams[name] = self._go_on(name, settings[name], sealed)
            for name in settings.keys() - self._streams.keys():
                streams[name] = self._begin_stream(
                    name,
                    settings[name],
                    LastRun(boot=self._signer.boot, clean=True),
                    now_ms=now_ms,
                    journal_id=self._journal_id,
                )
            self._heartbeat()
            # power fails here: the next start begins by whatever its file says then
        closed = {stream.id for name, stream in self._streams.items() if name not in same}
        self._pending = [row for row in self._pending if row[0] not in closed]
        log.info("going on by another configuration streams=%d as_before=%d", len(streams), len(same))
        self._streams, self._settings = streams, settings
        self._box, self._box_settings = box, box_settings
        self._room.quota_bytes = box.disk_quota_bytes

    def _go_on(self, name: str, settings: dict[str, Any], sealed: _Sealed) -> _Stream:
        """The stream under new settings, from where its last window ended."""
        carry = sealed.carry.anew(same=False)
        self._signer.declare(name, settings)
        self._spool.set_measured(name, until_ms=sealed.to_ms, carry=carry, journal_after=self._journal_id)
        measured = Measured.from_settings(name, settings)
        return _Stream(
            id=sealed.stream.id,
            window=Window(measured=measured, from_ms=sealed.to_ms, carried=carry),
            due_ms=self._next_due_ms(measured, sealed.to_ms),
            journal_after=self._journal_id,
            sealed_at_ms=sealed.to_ms,
        )

    def finish(self, reason: str) -> None:
        """Seal every window and sign the shutdown, so that the next start need not guess."""
        self._rests_until_ms = 0
        self.step()
        signing_off = partial(self._sign_off, reason)
        if not self._attempt(signing_off) and self._signer.ready():
            self._attempt(signing_off)

    # Starting.

    def _begin(self) -> None:
        now_ms = self._clock.utc_ms()
        streams: dict[str, _Stream] = {}
        with self._spool.writing():
            last_alive_ms = self._spool.last_alive_ms()
            last = self._signer.begin_run(PROCESS)
            self._begin_box(last, last_alive_ms)
            journal_id = self._seal_leftovers()
            for stream, settings in self._settings.items():
                streams[stream] = self._begin_stream(stream, settings, last, now_ms=now_ms, journal_id=journal_id)
            self._heartbeat()
            self._spool.keep("alive_ms", str(now_ms).encode())
            self._spool.clear_journal(PROCESS, journal_id)
            # power fails here: the next start finds everything as this one did
        self._streams, self._journal_id = streams, journal_id
        self._heartbeat_due_ms = now_ms + self._box.heartbeat_every_ms

    def _begin_box(self, last: LastRun, last_alive_ms: int | None) -> None:
        box = self._box
        if self._spool.head("box").next_n == 0:
            commissioning = Commissioning(
                enterprise=box.enterprise,
                site=box.site,
                public_key=self._signer.public.to_cose_key(),
                software=SOFTWARE,
            )
            self._signer.append("box", commissioning)
        self._signer.begin_stream("box", self._box_settings, last, now_ms=0)
        self._signer.append("box", Boot(software=SOFTWARE, last_alive_ms=last_alive_ms, last_boot=last.boot))

    def _begin_stream(
        self, stream: str, settings: dict[str, Any], last: LastRun, *, now_ms: int, journal_id: int
    ) -> _Stream:
        same = self._spool.settings(stream) == settings
        opens_ms = self._signer.begin_stream(stream, settings, last, now_ms=now_ms)
        head = self._spool.head(stream)
        carry = head.carry.anew(same=same)
        self._spool.set_measured(stream, until_ms=opens_ms, carry=carry, journal_after=journal_id)
        return _Stream(
            id=head.id,
            window=Window(measured=Measured.from_settings(stream, settings), from_ms=opens_ms, carried=carry),
            due_ms=now_ms + self._phase_ms(stream),
            journal_after=journal_id,
            sealed_at_ms=now_ms,
        )

    def _seal_leftovers(self) -> int:
        """Seal what the last run had committed and not sealed, by the settings it was measured with.

        Returns the journal's newest id: everything up to it is sealed now.
        """
        windows: dict[int, Window] = {}
        heads = {head.id: head for head in self._spool.heads()}
        newest = 0
        for journal_id, _, rows in self._spool.read_journal(PROCESS):
            newest = journal_id
            for stream_id, row in rows:
                if journal_id <= heads[stream_id].journal_after:
                    continue
                window = windows.get(stream_id) or self._left_window(heads[stream_id])
                if window.is_full:  # the signer was away for long
                    window = self._seal_left(window, newest)
                window.replay(row)
                windows[stream_id] = window
        for window in windows.values():
            self._seal_left(window, newest)
        return newest

    def _seal_left(self, window: Window, newest: int) -> Window:
        """Sign a window that the last run left; the one that follows."""
        stream, to_ms = window.measured.stream, window.end_ms
        body, carry = window.seal(to_ms)
        self._signer.append(stream, body)
        for events in window.news():
            self._signer.append(stream, events)
        self._spool.set_measured(stream, until_ms=to_ms, carry=carry, journal_after=newest)
        log.info("sealed what the last run left stream=%s rows=%d", stream, len(window.rows))
        return Window(measured=window.measured, from_ms=to_ms, carried=carry)

    def _left_window(self, head: Head) -> Window:
        settings = self._spool.settings(head.stream)
        if settings is None or head.until_ms is None:
            raise SpoolDamagedError(
                f"readings of {head.stream} lie in the spool, and nothing says how they were measured"
            )
        measured = Measured.from_settings(head.stream, settings)
        return Window(measured=measured, from_ms=head.until_ms, carried=head.carry)

    def _phase_ms(self, stream: str) -> int:
        """Streams are sealed one after another, not all at once: each has its own place in the interval."""
        return 1 + crc32(stream.encode()) % self._box.seal_every_ms

    # Taking in.

    def _take_in(self, step: Step | None) -> bool:
        """Put readings into their windows, up to a full one or a step of the clock; whether more wait before it."""
        for name, lost in self._arrivals.take_lost().items():
            if name in self._streams:
                self._streams[name].lose(lost)
        while (reading := self._arrivals.take(step)) is not None:
            stream = self._streams.get(reading.stream)
            if stream is None:
                continue
            rows, changed = stream.window.add(reading, self._wall.stamp(reading.at_ms, reading.steady_ms))
            stream.changed |= changed
            self._pending += [(stream.id, row) for row in rows]
            if stream.window.is_full:
                return True
        return False

    def _began(self, step: Step) -> Step:
        """The step as of the first reading in the new time, so that none is older than the window it belongs to."""
        ago_ms = step.after_ms - self._arrivals.first_after(step)
        return replace(step, before_ms=max(0, step.before_ms - ago_ms), after_ms=step.after_ms - ago_ms)

    # One transaction each.

    def _commit(self) -> None:
        signs = self._signer.ready()  # before the transaction: to find the signer again may take seconds
        now_ms = self._clock.utc_ms()
        due = [stream for stream in self._streams.values() if signs and self._is_due(stream, now_ms)]
        beats = signs and not self._heartbeat_due_ms - self._box.heartbeat_every_ms <= now_ms < self._heartbeat_due_ms
        if not (self._pending or due or beats):
            return
        if self._room.over_quota:
            raise SpoolFullError(f"unsent statements fill the spool's quota of {self._box.disk_quota_bytes} bytes")
        journal_id = self._journal_id
        with self._spool.writing():
            if self._pending:
                journal_id = self._spool.write_journal(PROCESS, now_ms, self._pending)
            sealed = [self._seal(stream, now_ms, journal_id) for stream in due]
            if beats:
                self._heartbeat()
            if self._commits % CLEAR_JOURNAL_EVERY == 0:
                opened = [s for s in self._streams.values() if s not in due and s.window.last_ms is not None]
                kept = [stream.journal_after for stream in opened]
                self._spool.clear_journal(PROCESS, min([journal_id - 1, *kept]))  # the newest says when the box lived
            # power fails here: the readings since the last commit are lost, no more than one interval of them
        # power fails here: they are on the disk, sealed or in the journal
        self._pending.clear()
        self._journal_id = journal_id
        self._take_over(sealed)
        if beats:
            self._heartbeat_due_ms = now_ms + self._box.heartbeat_every_ms
        if not signs:
            self._bound_memory()
        self._commits += 1

    def _follow_the_clock(self, step: Step) -> None:
        """The wall clock was set: close every window in the old time, say so, and open them in the new."""
        opened: list[_Sealed] = []
        with self._spool.writing():
            self._signer.append("box", ClockStep(before_ms=step.before_ms, after_ms=step.after_ms))
            for stream in self._streams.values():
                sealed = self._seal(stream, step.before_ms, self._journal_id)
                until_ms, carry = sealed.to_ms, sealed.carry.anew(same=True)
                name, opens_ms = stream.window.measured.stream, opening(until_ms, step.after_ms)
                if until_ms < step.after_ms:
                    gap = Gap(from_ms=until_ms, to_ms=step.after_ms, reason=GapReason.CLOCK, lost=0)
                    self._signer.append(name, gap)
                self._spool.set_measured(name, until_ms=opens_ms, carry=carry, journal_after=self._journal_id)
                opened.append(_Sealed(stream=stream, to_ms=opens_ms, carry=carry))
            self._heartbeat()
            self._spool.clear_journal(PROCESS, self._journal_id)
            self._spool.keep("alive_ms", str(step.after_ms).encode())
            # power fails here: the next start seals the old windows, and signs a gap up to the new time
        self._take_over(opened)
        self._heartbeat_due_ms = step.after_ms + self._box.heartbeat_every_ms
        self._wall.follow(step)
        log.warning("the clock was set before_ms=%d after_ms=%d", step.before_ms, step.after_ms)

    def _sign_off(self, reason: str) -> None:
        now_ms = self._clock.utc_ms()
        with self._spool.writing():
            sealed = [self._seal(stream, now_ms, self._journal_id) for stream in self._streams.values()]
            self._heartbeat()
            self._signer.append("box", Shutdown(reason=reason))
            self._spool.keep("alive_ms", str(now_ms).encode())
            self._spool.clear_journal(PROCESS, self._journal_id)
            self._signer.end_run(PROCESS)
        self._pending.clear()
        self._take_over(sealed)
        log.info("everything is sealed streams=%d", len(sealed))

    def _is_due(self, stream: _Stream, now_ms: int) -> bool:
        rested = now_ms - stream.sealed_at_ms >= CHANGE_SEAL_MS
        if (stream.changed and rested) or (stream.window.has_news and (rested or stream.hurried < NEWS_AT_ONCE)):
            return True
        if self._is_slow(stream.window.measured) and len(stream.window.rows) > 0:
            return True
        return now_ms >= stream.due_ms or stream.window.is_full or stream.lost is not None

    def _is_slow(self, measured: Measured) -> bool:
        """Whether each reading is a window: a meter that is read once a day is sealed when it was read."""
        return measured.period_ms >= self._box.seal_every_ms

    def _next_due_ms(self, measured: Measured, sealed_ms: int) -> int:
        """When the window that begins now is sealed at the latest; a slow one's reading has its time to come."""
        slow_ms = measured.period_ms if self._is_slow(measured) else 0
        return sealed_ms + slow_ms + self._box.seal_every_ms

    def _seal(self, stream: _Stream, now_ms: int, journal_id: int) -> _Sealed:
        """Sign what was lost before, then the window, up to its last reading; without one, up to a while ago."""
        window = stream.window
        name, carry, thinned = window.measured.stream, window.carried, stream.thinned
        if (lost := stream.lost) is not None:
            gap = Gap(from_ms=lost.from_ms, to_ms=lost.to_ms, reason=GapReason.DISK_FULL, lost=lost.count)
            self._signer.append(name, gap)
        to_ms = window.end_ms if window.last_ms is not None else max(window.from_ms, now_ms - LATENESS_MS)
        if to_ms > window.from_ms:
            thinned = self._room.thin and window.measured.keep is Keep.EVERY
            if thinned and not stream.thinned:
                gap = Gap(from_ms=window.from_ms, to_ms=to_ms, reason=GapReason.THINNED, lost=None)
                self._signer.append(name, gap)
            body, carry = window.seal(to_ms, keep=Keep.MINUTE if thinned else None)
            self._signer.append(name, body)
        for events in window.news():
            self._signer.append(name, events)
        self._spool.set_measured(name, until_ms=to_ms, carry=carry, journal_after=journal_id)
        in_time = now_ms >= stream.due_ms
        return _Sealed(stream=stream, to_ms=to_ms, carry=carry, thinned=thinned, in_time=in_time)

    def _take_over(self, sealed: list[_Sealed]) -> None:
        """After the commit: open the next windows where the sealed ones end."""
        for done in sealed:
            stream = done.stream
            stream.window = Window(measured=stream.window.measured, from_ms=done.to_ms, carried=done.carry)
            stream.journal_after = self._journal_id
            stream.sealed_at_ms = done.to_ms
            stream.due_ms = self._next_due_ms(stream.window.measured, done.to_ms)
            stream.changed = False
            stream.hurried = 0 if done.in_time else stream.hurried + 1
            stream.thinned = done.thinned
            stream.lost = None

    def _heartbeat(self) -> None:
        heads = [h for h in self._spool.heads() if h.next_n and h.stream != "box"]
        self._signer.append(
            "box",
            Heartbeat(
                heads=[(head.stream, head.next_n - 1, head.sha256) for head in heads[:HEADS_LIMIT]],
                unsent=self._spool.count_unsent(),
                disk_free_bytes=shutil.disk_usage(self._box.spool.parent).free,
                uptime_ms=self._clock.steady_ms(),
            ),
        )

    # Room.

    def _attempt(self, transaction: Callable[[], None]) -> bool:
        """Whether it went through; when it did not, nothing of it was kept and the readings wait in memory."""
        try:
            transaction()
        except SpoolDamagedError:
            raise
        except PenError:  # the pen has said so; the disk is well, and takes what comes until something is signed again
            self._bound_memory()
            return False
        except SpoolError as wrong:
            log.log(
                logging.DEBUG if self._in_trouble else logging.ERROR,
                "cannot keep readings, they wait in memory: %s",
                wrong,
            )
            self._in_trouble = True
            self._rests_until_ms = self._clock.steady_ms() + REST_MS
            if isinstance(wrong, SpoolFullError):
                self._room.make()
            self._bound_memory()
            return False
        if self._in_trouble and self._spool.take_reserve():
            self._in_trouble = False
            log.info("keeping goes on, nothing waits in memory")
        return True

    def _bound_memory(self) -> None:
        """Full windows are emptied and counted as lost; the count is signed as soon as there is room."""
        full = [stream for stream in self._streams.values() if stream.window.is_full]
        for stream in full:
            window = stream.window
            stream.lose(Lost(window.from_ms, window.end_ms, len(window.rows)))
            carried = window.carried.anew(same=True)  # what was lost is no evidence, so nothing was judged from it
            carried = replace(carried, stranger=window.judge.standing.stranger)  # but what was reported will be told
            stream.window = Window(
                measured=window.measured,
                from_ms=window.end_ms,
                carried=carried,
                reported=window.reported[:REPORTED_LIMIT],
            )
            stream.changed = False
        if full:
            gone = {stream.id for stream in full}
            self._pending = [row for row in self._pending if row[0] not in gone]
