"""DL/T 645 meters on a line: a pseudo-terminal, or TCP behind a transparent serial server; misbehaving on request.

    with Line645(meters=(Meter645("000000000001"), Meter645("000000000002", edition=1997)), baud=2400) as line:
        line["000000000001"].items["02010100"] = bcd("220.5", 2)
        line["000000000001"].fault = Fault645.LATE
        line.device, line.port        # a pty; a port on loopback
        line["000000000001"].asked    # (control code, data) of every request that reached it

Bytes take their time on the wire and a meter its time to begin. Frames are made by our own arithmetic.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from tests.world.dlt645_frames import bcd, di, sealed
from tests.world.pty_line import BITS_PER_BYTE, LineAndServer

ANY = "AAAAAAAAAAAA"
READ = {2007: 0x11, 1997: 0x01}


class Fault645(Enum):
    NONE = "none"
    DEAD = "dead"
    LATE = "its answer when the next question has come"
    BAD_CHECKSUM = "bad checksum"
    WRAPPED = "a 00 before and after"
    DOUBLED_START = "the first 68 twice"
    DOUBLED = "the answer twice"
    NOISY = "in noise, with waking bytes"
    GLITCH = "a lone 00 long before the answer"
    DRIPPING = "byte by byte with pauses"
    STALE = "an answer to another question before the right one"
    WRONG_ADDRESS = "another meter's address"
    WRONG_DI = "another data identifier"
    WRONG_FUNCTION = "the answer to a write"
    REQUEST_BACK = "an echo and no answer"
    TRUNCATED = "truncated"
    CHATTER = "noise instead of an answer"
    REFUSES = "refuses everything"
    ALL_FF = "no value"
    NOT_BCD = "half bytes beyond nine"
    TOO_LONG = "a byte more than the item has"
    MORE_FOR_EVER = "there is always more"
    WRONG_SEQUENCE = "a later frame with another number"
    SILENT_LATER = "no later frame"
    REFUSES_LATER = "later frames refused"


def usual_2007() -> dict[str, bytes]:
    """What a three-phase meter says on a quiet day."""
    instant = bytes.fromhex
    return {
        "00010000": bcd("1234.56", 4),
        "0001FF00": b"".join(bcd(value, 4) for value in ("1234.56", "100.00", "434.56", "400.00", "300.00")),
        "00020000": bcd("7.01", 4),
        "00030000": bcd("-12.34", 4),
        "00040000": bcd("5.00", 4),
        "02010100": bcd("230.1", 2),
        "02010200": bcd("229.8", 2),
        "02010300": bcd("230.5", 2),
        "0201FF00": bcd("230.1", 2) + bcd("229.8", 2) + bcd("230.5", 2),
        "02020100": bcd("5.123", 3),
        "02020200": bcd("-4.987", 3),
        "02020300": bcd("5.010", 3),
        "0202FF00": bcd("5.123", 3) + bcd("-4.987", 3) + bcd("5.010", 3),
        "02030000": bcd("3.4567", 3),
        "0203FF00": bcd("1.1647", 3) + bcd("1.1789", 3) + bcd("-1.1460", 3) + bcd("1.1318", 3),
        "02040000": bcd("-0.0120", 3),
        "02050000": bcd("3.4600", 3),
        "02060000": bcd("0.999", 2),
        "0206FF00": bcd("0.999", 2) + bcd("0.998", 2) + bcd("-0.999", 2) + bcd("1.000", 2),
        "02800002": bcd("49.98", 2),
        "03050000": bcd(0, 3) + bcd(0, 3),
        "030A0000": bcd(1, 3) + bcd(30, 3),
        "030B0000": 3 * (bcd(2, 3) + bcd(15, 3)),
        "030E0000": 3 * (bcd(0, 3) + bcd(0, 3)),
        "03110000": bcd(42, 3),
        "03110001": instant("000008 010326") + instant("003009 010326"),
        "03300000": bcd(3, 3),
        "03300100": bcd(0, 3),
        "03300200": bcd(12, 3),
        "03300300": bcd(0, 3),
        "03300400": bcd(5, 3),
        "03300D00": bcd(1, 3),
        "03300D01": instant("000010 150125") + instant("001010 150125") + bytes(48),
        "03300E00": bcd(2, 3),
        "03350000": bcd(0, 3),
        "04000101": instant("01 23 11 26"),
        "04000102": instant("56 34 12"),
        "04000402": bytes.fromhex("665544332211"),
        "04000403": b"31000000ZJ".ljust(32, b"\0"),
        "1D000001": bcd(4, 3),
        "1E000001": bcd(4, 3),
    }


def usual_1997() -> dict[str, bytes]:
    return {
        "9010": bcd("1234.56", 4),
        "901F": b"".join(bcd(value, 4) for value in ("1234.56", "100.00", "434.56", "400.00", "300.00")) + b"\xaa",
        "9020": bcd("7.01", 4),
        "9110": bcd("12.34", 4),
        "9120": bcd("5.00", 4),
        "B611": bcd("230", 2),
        "B612": bcd("229", 2),
        "B613": bcd("231", 2),
        "B621": bcd("5.12", 2),
        "B622": bcd("4.98", 2),
        "B623": bcd("5.01", 2),
        "B630": bcd("3.4567", 3),
        "B631": bcd("1.1789", 3),
        "B632": bcd("1.1460", 3),
        "B633": bcd("1.1318", 3),
        "B640": bcd("0.12", 2),
        "B650": bcd("0.999", 2),
        "B212": bcd(3, 2),
        "B213": bcd(12, 2),
        "B310": bcd(1, 2),
        "C010": bytes.fromhex("01 23 11 26"),
        "C011": bytes.fromhex("56 34 12"),
        "C032": bytes.fromhex("665544332211"),
    }


@dataclass(slots=True)
class Meter645:
    address: str = "000000000001"
    edition: int = field(default=2007, kw_only=True)
    items: dict[str, bytes] = field(default_factory=dict, kw_only=True)
    """Data by DI; what is not there is refused. Empty: the usual."""
    fault: Fault645 = field(default=Fault645.NONE, kw_only=True)
    frame_data: int = field(default=200, kw_only=True)
    """Longer data is sent in several frames."""
    asked: list[tuple[int, bytes]] = field(default_factory=list, kw_only=True)

    def __post_init__(self) -> None:
        self.items = self.items or (usual_2007() if self.edition == 2007 else usual_1997())

    def answer(self, control: int, data: bytes) -> bytes:
        """What it says to a request; empty when nothing."""
        self.asked.append((control, data))
        read = READ[self.edition]
        if self.edition == 2007 and (control, data) == (0x13, b""):
            return self._bent(0x93, bytes.fromhex(self.address)[::-1])
        if control not in {read, read + 1}:
            return self._bent(control | 0xC0, b"\x01")
        name = data[: 4 if self.edition == 2007 else 2][::-1].hex().upper()
        if self.fault is Fault645.REFUSES or name not in self.items:
            return self._bent(control | 0xC0, b"\x02")
        later = control == read + 1
        if later and self.fault is Fault645.SILENT_LATER:
            return b""
        if later and self.fault is Fault645.REFUSES_LATER:
            return self._bent(control | 0xC0, b"\x01")
        return self._part(name, control, self._place(name, data, later=later), later=later)

    def _place(self, name: str, data: bytes, *, later: bool) -> int:
        """Which part of the item is asked for; the 1997 edition counts by itself."""
        if not later:
            return 0
        if self.edition == 2007:
            return data[4]
        first = max(at for at, each in enumerate(self.asked) if each == (READ[1997], di(name)))
        return len(self.asked) - 1 - first

    def _part(self, name: str, control: int, place: int, *, later: bool) -> bytes:
        item = self._value(self.items[name])
        part = item[place * self.frame_data : (place + 1) * self.frame_data]
        more = len(item) > (place + 1) * self.frame_data
        if self.fault is Fault645.MORE_FOR_EVER:
            part, more = item, True
        shown = {Fault645.WRONG_DI: "02019900" if self.edition == 2007 else "B619"}.get(self.fault, name)
        number = bytes((place + (self.fault is Fault645.WRONG_SEQUENCE),)) if later and self.edition == 2007 else b""
        return self._bent(control | 0x80 | (0x20 if more else 0), di(shown) + part + number)

    def _value(self, item: bytes) -> bytes:
        match self.fault:
            case Fault645.ALL_FF:
                return b"\xff" * len(item)
            case Fault645.NOT_BCD:
                return b"\x0a" + item[1:]
            case Fault645.TOO_LONG:
                return item + b"\0"
            case _:
                return item

    def _bent(self, control: int, data: bytes) -> bytes:
        address = "000000000099" if self.fault is Fault645.WRONG_ADDRESS else self.address
        if self.fault is Fault645.WRONG_FUNCTION:
            control = control & 0xE0 | (0x14 if self.edition == 2007 else 0x04)
        frame = sealed(address, control, data)
        other = sealed(address, control, di("02019900" if self.edition == 2007 else "B619") + b"\0\0")
        bent = {
            Fault645.BAD_CHECKSUM: frame[:-2] + bytes((frame[-2] ^ 0x55,)) + frame[-1:],
            Fault645.WRAPPED: b"\0" + frame + b"\0",
            Fault645.DOUBLED_START: b"\x68" + frame,
            Fault645.DOUBLED: frame + frame,
            Fault645.NOISY: b"\x00\x68\x10\xff\x68" + b"\xfe" * 4 + frame + b"\x00\x68",
            Fault645.STALE: other + frame,
            Fault645.TRUNCATED: frame[:-4],
            Fault645.CHATTER: bytes(range(100, 140)),
        }
        return bent.get(self.fault, frame)


class Line645(LineAndServer):
    """The line with its meters; who opens `device` or connects to `port` is on it."""

    def __init__(
        self,
        *,
        meters: Iterable[Meter645] = (),
        baud: int = 9600,
        turnaround_s: float = 0.005,
        echoes: bool = False,
    ) -> None:
        super().__init__("line645")
        self.meters = list(meters) or [Meter645()]
        self._byte_s, self._turnaround_s, self._echoes = BITS_PER_BYTE / baud, turnaround_s, echoes

    def __getitem__(self, address: str) -> Meter645:
        return next(meter for meter in self.meters if meter.address == address)

    def _serve(self) -> None:
        heard = b""
        for end, chunk in self._heard():
            if not chunk:
                heard = b""  # a pause ends whatever it was, maybe another protocol's
                continue
            time.sleep(len(chunk) * self._byte_s)
            if self._echoes:
                os.write(end, chunk)
            heard = (heard + chunk)[-512:]
            request = _request_in(heard)
            if request is not None:
                heard = b""
                self._answer(end, *request)

    def _answer(self, end: int, address: str, control: int, data: bytes) -> None:
        for meter in self.meters:
            if not _is_meant(meter.address, address):
                continue
            said = meter.answer(control, data)
            if meter.fault is Fault645.GLITCH:
                os.write(end, b"\0")
                time.sleep(0.08)
            time.sleep(self._turnaround_s)
            if meter.fault is Fault645.LATE:
                self._until_asked_again(end)
            if meter.fault not in {Fault645.DEAD, Fault645.REQUEST_BACK}:
                self._say(end, said, piece=1 if meter.fault is Fault645.DRIPPING else len(said) or 1)
            elif meter.fault is Fault645.REQUEST_BACK:
                os.write(end, sealed(address, control, data, wakes=4))

    def _say(self, end: int, said: bytes, *, piece: int) -> None:
        for at in range(0, len(said), piece):
            time.sleep(piece * self._byte_s)
            os.write(end, said[at : at + piece])


def _is_meant(address: str, asked: str) -> bool:
    """Pairs of A before the low digits fit any (DL/T 645-2007, 5.2.2)."""
    known = asked.lstrip("A")
    return len(known) % 2 == 0 and address.endswith(known)


def _request_in(heard: bytes) -> tuple[str, int, bytes] | None:
    """(address, control code, data) of a sound request, as a meter hears it."""
    at = heard.find(b"\x68")
    if at < 0 or len(heard) < at + 12 or len(heard) < at + 12 + heard[at + 9]:
        return None
    frame = heard[at : at + 12 + heard[at + 9]]
    if frame[7] != 0x68 or frame[-1] != 0x16 or frame[-2] != sum(frame[:-2]) % 256 or frame[8] & 0x80:
        return None
    data = bytes((octet - 0x33) % 256 for octet in frame[10:-2])
    return frame[6:0:-1].hex().upper(), frame[8], data
