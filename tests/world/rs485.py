"""An RS-485 line on a pseudo-terminal with Modbus RTU units on it, as slow as a real one, and as noisy as you like.

    with Rs485(units=(1, 2, 3), baud=9600) as line:
        line[2].fault = Noise.DEAD
        RtuBus(device=line.device, ...)

Bytes take their time on the wire (11 bits each) and a unit takes `turnaround_s` to begin. The CRC here is our own.
"""

import os
import select
import struct
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from tests.world.pty_line import BITS_PER_BYTE, CHUNK_BYTES, LOOK_EVERY_S, PtyLine

REQUEST_BYTES = 8


class Noise(Enum):
    NONE = "none"
    DEAD = "dead"
    LATE = "its answer when the next question has come"
    BAD_CRC = "bad crc"
    WRAPPED = "a 00 before and after"
    GLITCH = "a lone 00 long before the answer"
    WRONG_UNIT = "wrong unit"
    WRONG_LENGTH = "4 bytes to a 1-register read"
    CHATTER = "noise instead of an answer"
    BUSY = "busy"
    TRUNCATED = "truncated"
    TWICE = "the answer twice"
    STAMMERS = "its first byte twice"
    SHORT = "2 bytes to a 3-register read"


def crc16(frame: bytes) -> bytes:
    """MODBUS over Serial Line V1.02, 6.2.2."""
    crc = 0xFFFF
    for octet in frame:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


@dataclass(slots=True, kw_only=True)
class Rs485Unit:
    registers: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    fault: Noise = Noise.NONE
    asked: int = 0
    answered: int = 0


class Rs485(PtyLine):
    """The line; `device` is what a box opens."""

    def __init__(
        self, *, units: Iterable[int], baud: int = 9600, turnaround_s: float = 0.005, echoes: bool = False
    ) -> None:
        super().__init__("rs485")
        self._units = {unit: Rs485Unit() for unit in units}
        self._byte_s, self._turnaround_s, self._echoes = BITS_PER_BYTE / baud, turnaround_s, echoes

    def __getitem__(self, unit: int) -> Rs485Unit:
        return self._units[unit]

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._near], [], [], LOOK_EVERY_S)[0]:
                continue
            heard = os.read(self._near, CHUNK_BYTES)
            for request in _requests_in(heard):
                time.sleep(len(request) * self._byte_s)
                if self._echoes:
                    os.write(self._near, request)
                unit = self._units.get(request[0])
                if unit is not None:
                    unit.asked += 1
                    self._answer(unit, request)

    def _answer(self, unit: Rs485Unit, request: bytes) -> None:
        if unit.fault is Noise.DEAD:
            return
        if unit.fault is Noise.GLITCH:
            os.write(self._near, b"\0")
            time.sleep(0.08)
        time.sleep(self._turnaround_s)
        if unit.fault is Noise.LATE:
            self._until_asked_again(self._near)
        answer = self._frame(unit, request)
        time.sleep(len(answer) * self._byte_s)
        os.write(self._near, answer)
        unit.answered += unit.fault in {Noise.NONE, Noise.WRAPPED, Noise.GLITCH, Noise.TWICE, Noise.STAMMERS}

    def _frame(self, unit: Rs485Unit, request: bytes) -> bytes:
        number, function, address, count = struct.unpack(">BBHH", request[:6])
        if unit.fault is Noise.BUSY:
            return self._checked(bytes((number, function | 0x80, 6)))
        values = struct.pack(f">{count}H", *(unit.registers.get(address + at, 0) for at in range(count)))
        wrong_values = {Noise.WRONG_LENGTH: values + b"\x12\x34", Noise.SHORT: values[:2]}
        values = wrong_values.get(unit.fault, values)
        number += unit.fault is Noise.WRONG_UNIT
        answer = self._checked(bytes((number, function, len(values))) + values)
        wrong_answers = {
            Noise.CHATTER: bytes(range(100, 140)),
            Noise.BAD_CRC: answer[:-1] + bytes((answer[-1] ^ 0xFF,)),
            Noise.WRAPPED: b"\0" + answer + b"\0",
            Noise.TRUNCATED: answer[:-4],
            Noise.TWICE: answer + answer,
            Noise.STAMMERS: answer[:1] + answer,
        }
        return wrong_answers.get(unit.fault, answer)

    @staticmethod
    def _checked(frame: bytes) -> bytes:
        return frame + crc16(frame)


def _requests_in(heard: bytes) -> list[bytes]:
    """Every sound read in it; a line that was slow to listen hears several at once."""
    pieces = [heard[at : at + REQUEST_BYTES] for at in range(len(heard) - REQUEST_BYTES + 1)]
    return [piece for piece in pieces if crc16(piece[:-2]) == piece[-2:]]
