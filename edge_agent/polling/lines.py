"""All buses of a box, a thread a line; a changed configuration stops and starts those that it changes, and no other."""

import threading
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, NamedTuple

from edge_agent.clock import Clock
from edge_agent.config.load import Config
from edge_agent.config.sections import Bus, Machine
from edge_agent.polling.poll import Deliver, poll_line

STACK_BYTES: Final = 256 * 1024
"""Of a bus's thread; there may be a hundred."""

_Work = tuple[tuple[Bus, tuple[Machine, ...]], ...]
"""The buses of one line."""


class _Running(NamedTuple):
    work: _Work
    stop: Event
    thread: Thread


class Lines:
    """The buses that are polled now. Used by one thread."""

    def __init__(self, clock: Clock, deliver: Deliver, *, on_failure: Callable[[], None]) -> None:
        """`on_failure` is called, from a bus's thread, when that thread cannot go on; `close` then raises why."""
        self._clock, self._deliver, self._on_failure = clock, deliver, on_failure
        self._running: dict[str, _Running] = {}
        self._failed: list[BaseException] = []

    def stop_changed(self, config: Config) -> None:
        """Stop every bus that `config` lacks or has otherwise; on return its line is closed and all of it delivered."""
        wanted = _work_of(config)
        self._stop([name for name, running in self._running.items() if running.work != wanted.get(name)])

    def start(self, config: Config) -> None:
        """Poll every bus of `config` that has machines and is not polled yet."""
        stack_bytes = threading.stack_size(STACK_BYTES)
        try:
            for name, work in _work_of(config).items():
                if name not in self._running:
                    self._running[name] = self._started(name, work)
        finally:
            threading.stack_size(stack_bytes)

    def close(self) -> None:
        """Stop all; raises what the first thread that failed had raised: starting anew is systemd's task."""
        self._stop(list(self._running))
        if self._failed:
            raise self._failed[0]

    def _started(self, name: str, work: _Work) -> _Running:
        stop = Event()
        thread = Thread(target=self._poll, args=(work, stop), name=name)
        thread.start()
        return _Running(work, stop, thread)

    def _poll(self, work: _Work, stop: Event) -> None:
        try:
            poll_line(work, self._clock, self._deliver, stop)
        except BaseException as wrong:  # noqa: BLE001  # the top of a thread: `close` raises it
            self._failed.append(wrong)
            self._on_failure()

    def _stop(self, names: list[str]) -> None:
        for name in names:
            self._running[name].stop.set()
        for name in names:
            self._running.pop(name).thread.join()


def _work_of(config: Config) -> dict[str, _Work]:
    """By the place where they are asked."""
    work: dict[str, _Work] = {}
    for bus in config.buses:
        machines = tuple(config.machines_on(bus))
        if machines:
            work[bus.place] = (*work.get(bus.place, ()), (bus, machines))
    return work
