"""One RS-485 line with several lines' devices on it, each at its own rate; who asks at another rate is not understood.

    with Rs485(units=(1, 2)) as modbus, Line645(meters=[Meter645()], baud=2400) as meters:
        with MixedLine({modbus.device: 9600, meters.device: 2400}) as line:
            line.device                   # what a box opens
            line.noise = b"..."           # said to every question that nobody understands
            line.talks = b"..."           # said ten times a second, whoever asks or not

Two that answer within `overlap_s` of each other spoil both answers, as two drivers on a wire do. The rate that a box
has set is read from the other end of the pseudo-terminal; parity cannot be seen there.
"""

import os
import select
import termios
import time
import tty
from collections.abc import Mapping
from typing import Final

from tests.world.pty_line import PtyLine

OVERLAP_S: Final = 0.03
SPEEDS: Final = {getattr(termios, f"B{baud}"): baud for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}


class MixedLine(PtyLine):
    """The line; used by whoever opens `device`."""

    def __init__(self, stations: Mapping[str, int], *, overlap_s: float = OVERLAP_S) -> None:
        super().__init__("mixed line")
        self._stations = {os.open(device, os.O_RDWR | os.O_NOCTTY): baud for device, baud in stations.items()}
        for end in self._stations:
            tty.setraw(end)
        self._overlap_s = overlap_s
        self.noise = self.talks = b""
        self.asked = 0
        self._hearing: list[int] = []

    def _close(self) -> None:
        super()._close()
        for end in self._stations:
            os.close(end)

    @property
    def baud(self) -> int:
        """What the box has set."""
        return SPEEDS.get(termios.tcgetattr(self._near)[5], 0)

    def _serve(self) -> None:
        talked_s = 0.0
        while not self._stop.is_set():
            ready = select.select([self._near, *self._stations], [], [], 0.02)[0]
            if self._near in ready:
                self._pass_on(os.read(self._near, 512))
            elif ready:
                self._answer(ready)
            if self.talks and time.monotonic() - talked_s > 0.1:
                os.write(self._near, self.talks)
                talked_s = time.monotonic()

    def _pass_on(self, asked: bytes) -> None:
        self.asked += 1
        self._hearing = [end for end, baud in self._stations.items() if baud == self.baud]
        for end in self._hearing:
            os.write(end, asked)
        if self.noise:
            os.write(self._near, self.noise)

    def _answer(self, ready: list[int]) -> None:
        said = {end: os.read(end, 512) for end in ready}
        until_s = time.monotonic() + self._overlap_s
        while (others := [end for end in self._hearing if end not in said]) and time.monotonic() < until_s:
            for end in select.select(others, [], [], max(0.0, until_s - time.monotonic()))[0]:
                said[end] = os.read(end, 512)
        answers = list(said.values())
        spoilt = bytearray(answers[0].ljust(max(map(len, answers)), b"\xff"))
        for other in answers[1:]:
            for at, octet in enumerate(other):
                spoilt[at] &= octet
        os.write(self._near, bytes(spoilt))
