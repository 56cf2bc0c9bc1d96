"""A DL/T 698.45 meter on a pseudo-terminal or behind a TCP serial server, that misbehaves on request.

    with Meter698(address="000000000005") as meter:
        meter.objects[0x20000200] = array(u16(2301), u16(2298), u16(2305))
        meter.fault = Fault698.WRONG_ADDRESS
        meter.device, meter.port      # a pty; a port on loopback
        meter.ledger                  # every APDU that reached it

Frames and values are made here by our own arithmetic, so no bug is shared with what is tested. Several addresses may
sit on one line: `others`.
"""

import os
import struct
import threading
import time
from collections.abc import Sequence
from enum import Enum

from tests.world.pty_line import LineAndServer


class Fault698(Enum):
    NONE = "none"
    DEAD = "dead"
    LATE = "its answer when the next question has come"
    BAD_FCS = "bad frame check"
    BAD_HCS = "bad header check"
    WRONG_ADDRESS = "another meter's address"
    WRONG_PIID = "another service number"
    WRONG_OAD = "another object"
    WRONG_SERVICE = "a SET response"
    WRONG_CLIENT = "for another client"
    FEWER = "one result less than asked"
    SWAPPED = "results in another order"
    REQUEST_BACK = "an echo and no answer"
    TRUNCATED = "truncated"
    CHATTER = "noise instead of an answer"
    NOISY = "the right answer in noise"
    STALE = "an old answer before the right one"
    SEGMENTED = "a first part that waits to be confirmed"
    ERROR = "ERROR-Response"
    BLOCKS_FOR_EVER = "blocks without an end"
    BLOCKS_EMPTY = "empty blocks without an end"
    BLOCK_TWICE = "the same block again"


def x25(covered: bytes) -> bytes:
    """CRC-16/X-25 bit by bit (ISO/IEC 13239, 4.2.5), low byte first."""
    crc = 0xFFFF
    for octet in covered:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def framed(
    apdu: bytes, *, address: str = "000000000005", client: int = 0x10, control: int = 0xC3, flags: int | None = None
) -> bytes:
    """A whole frame around any APDU."""
    server = bytes.fromhex(address)[::-1]
    first = len(server) - 1 if flags is None else flags
    inner = bytes((control, first)) + server + bytes((client,))
    head = (len(inner) + len(apdu) + 6).to_bytes(2, "little") + inner
    body = head + x25(head) + apdu
    return b"\x68" + body + x25(body) + b"\x16"


def array(*elements: bytes) -> bytes:
    return bytes((1, len(elements))) + b"".join(elements)


def structure(*elements: bytes) -> bytes:
    return bytes((2, len(elements))) + b"".join(elements)


def u8(value: int) -> bytes:
    return bytes((17, value))


def u16(value: int) -> bytes:
    return bytes((18,)) + struct.pack(">H", value)


def i16(value: int) -> bytes:
    return bytes((16,)) + struct.pack(">h", value)


def u32(value: int) -> bytes:
    return bytes((6,)) + struct.pack(">I", value)


def i32(value: int) -> bytes:
    return bytes((5,)) + struct.pack(">i", value)


def u64(value: int) -> bytes:
    return bytes((21,)) + struct.pack(">Q", value)


def octets(text: str) -> bytes:
    return bytes((9, len(text) // 2)) + bytes.fromhex(text)


def visible(text: str) -> bytes:
    return bytes((10, len(text))) + text.encode()


def date_time_s(year: int, *rest: int) -> bytes:
    return bytes((28,)) + struct.pack(">H5B", year, *rest)


NULL = b"\0"


def count_of(times: int, seconds: int = 0) -> bytes:
    """Attribute 7 of an event object: one source, how often and how long."""
    return array(structure(NULL, structure(u32(times), u32(seconds))))


def usual() -> dict[int, bytes]:
    """What a three-phase meter says on a quiet day."""
    return {
        0x00100200: array(u32(123456), u32(1000), u32(2000), u32(3000), u32(117456)),
        0x00200200: array(u32(7), u32(0), u32(0), u32(0), u32(7)),
        0x00100201: u32(123456),
        0x00200201: u32(7),
        0x00300201: u32(500),
        0x00400201: u32(1),
        0x20000200: array(u16(2301), u16(2298), u16(2305)),
        0x20010200: array(i32(5123), i32(-4987), i32(5010)),
        0x20040200: array(i32(34567), i32(11789), i32(-11460), i32(11318)),
        0x20050200: array(i32(-120), i32(-40), i32(-40), i32(-40)),
        0x20060200: array(i32(34600), i32(11800), i32(11480), i32(11320)),
        0x200A0200: array(i16(999), i16(998), i16(-999), i16(1000)),
        0x200F0200: u16(4998),
        0x40000200: date_time_s(2024, 2, 29, 12, 34, 56),
        0x40010200: octets("000000000005"),
        0x40020200: octets("112233445566"),
        0x40030200: octets("000000000000"),
        0x41030200: visible("SGCM001" + "0" * 25),
        0x30110700: count_of(42, 3600),
        0x30120700: count_of(3),
        0x30130700: count_of(0),
        0x30150700: count_of(1),
        0x30160700: count_of(5),
        0x301B0700: count_of(2, 60),
        0x301C0700: count_of(1, 30),
        0x302A0700: count_of(0),
    }


class Meter698(LineAndServer):
    """One meter; `device` and `port` lead to it."""

    def __init__(self, *, address: str = "000000000005", others: Sequence[str] = (), echoes: bool = False) -> None:
        super().__init__("meter698")
        self.address, self.others = address, others
        self.objects = usual()
        self.refused: dict[int, int] = {}
        """DAR by OAD; objects that are not there answer 6."""
        self.fault = Fault698.NONE
        self.list_fault: Fault698 | None = None
        """A fault that it has with lists alone."""
        self.errors: set[int] = set()
        """Objects that it answers with ERROR-Response when asked for alone."""
        self.list_limit = 64
        """More objects in one request are refused as a whole with ERROR-Response."""
        self.block_of: int | None = None
        """A list of more objects than this is answered in blocks of so many."""
        self.ledger: list[bytes] = []
        self._echoes = echoes
        self._blocks: list[list[int]] = []
        self._hanging_up = threading.Event()

    def hang_up(self) -> None:
        """The serial server ends its connection; it has when this returns."""
        self._hanging_up.set()
        while self._hanging_up.is_set():
            time.sleep(0.005)

    def _serve(self) -> None:
        heard = b""
        for end, chunk in self._heard():
            if self._hanging_up.is_set():
                self._drop()
                self._hanging_up.clear()
            if not chunk:
                heard = b""  # a pause ends whatever it was, maybe another protocol's
                continue
            heard = (heard + chunk)[-4096:]
            start = heard.find(b"\x68")
            size = 2 + int.from_bytes(heard[start + 1 : start + 3], "little") if start >= 0 else 0
            if start >= 0 and len(heard) - start >= max(size, 3):
                whole, heard = heard[: start + size], b""
                self._hear(whole, whole[start:], end)

    def _hear(self, heard: bytes, frame: bytes, end: int) -> None:
        """Checks a request as a meter does, and answers."""
        size = (frame[4] & 0x0F) + 1
        address, client = frame[5 : 5 + size][::-1].hex().upper(), frame[5 + size]
        apdu = frame[5 + size + 3 : -3]
        if frame[-3:-1] != x25(frame[1:-3]) or frame[3] != 0x43:
            return
        if self._echoes:
            os.write(end, heard)
        mine = self.address if set(address) == {"A"} else address
        if mine not in (self.address, *self.others):
            return
        self.ledger.append(apdu)
        fault = self.list_fault if self.list_fault and apdu[1] == 2 else self.fault
        if fault is Fault698.DEAD:
            return
        if self.fault is Fault698.LATE:
            self._until_asked_again(end)
        os.write(end, self._answer(heard, apdu, mine, client))

    def _answer(self, heard: bytes, apdu: bytes, address: str, client: int) -> bytes:
        said = self._bent_apdu(self._apdu(apdu), apdu[2])
        if Fault698.SEGMENTED in {self.fault, self.list_fault if apdu[1] == 2 else None}:
            return framed(b"\0\0\x85" + said[1:20], address=address, client=client, control=0xE3)
        match self.fault:
            case Fault698.WRONG_ADDRESS:
                address = "000000000099"
            case Fault698.WRONG_CLIENT:
                client ^= 1
            case Fault698.REQUEST_BACK:
                return heard
            case Fault698.CHATTER:
                return bytes(range(0x40, 0x80))
            case Fault698.STALE:
                old = framed(said[:2] + bytes(((said[2] - 1) & 0x3F,)) + said[3:], address=address, client=client)
                return old + framed(said, address=address, client=client)
            case _:
                pass
        return self._bent_frame(framed(said, address=address, client=client), 5 + len(address) // 2 + 1)

    def _bent_apdu(self, said: bytes, piid: int) -> bytes:
        match self.fault:
            case Fault698.WRONG_PIID:
                return said[:2] + bytes(((said[2] + 1) & 0x3F,)) + said[3:]
            case Fault698.WRONG_SERVICE:
                return b"\x86" + said[1:]
            case Fault698.ERROR:
                return bytes((238, piid, 1, 0))
        return said

    def _bent_frame(self, frame: bytes, hcs: int) -> bytes:
        match self.fault:
            case Fault698.BAD_FCS:
                return frame[:-2] + bytes((frame[-2] ^ 0x55,)) + frame[-1:]
            case Fault698.BAD_HCS:
                return frame[:hcs] + bytes((frame[hcs] ^ 0x55,)) + frame[hcs + 1 :]
            case Fault698.TRUNCATED:
                return frame[:-5]
            case Fault698.NOISY:
                return b"\x00\x68\x68\x10\xff" + b"\xfe" * 4 + frame + b"\x00\x68"
        return frame

    def _apdu(self, apdu: bytes) -> bytes:
        service, choice, piid = apdu[:3]
        if service != 5 or choice not in {1, 2, 5}:
            return bytes((238, piid, 2, 0))
        if choice == 5:
            return self._block(piid, int.from_bytes(apdu[3:5], "big") + 1)
        if choice == 1:
            oad = int.from_bytes(apdu[3:7], "big")
            return bytes((238, piid, 1, 0) if oad in self.errors else (0x85, 1, piid, *self._result(oad), 0, 0))
        count = apdu[3]
        if count > self.list_limit:
            return bytes((238, piid, 2, 0))
        oads = [int.from_bytes(apdu[4 + 4 * at : 8 + 4 * at], "big") for at in range(count)]
        if self.fault is Fault698.FEWER:
            oads.pop()
        if self.fault is Fault698.SWAPPED:
            oads.reverse()
        if self.block_of is not None and count > self.block_of:
            self._blocks = [oads[at : at + self.block_of] for at in range(0, count, self.block_of)]
            return self._block(piid, 1)
        return bytes((0x85, 2, piid, len(oads))) + self._results(oads) + b"\0\0"

    def _block(self, piid: int, number: int) -> bytes:
        if self.fault is Fault698.BLOCK_TWICE:
            number = 1
        if not 1 <= number <= len(self._blocks):
            return bytes((0x85, 5, piid, 1)) + number.to_bytes(2, "big") + bytes((0, 14, 0, 0))
        oads = self._blocks[number - 1] if self.fault is not Fault698.BLOCKS_EMPTY else []
        last = number == len(self._blocks)
        if self.fault in {Fault698.BLOCKS_FOR_EVER, Fault698.BLOCKS_EMPTY}:
            self._blocks.append(oads)
            last = False
        head = bytes((0x85, 5, piid, last)) + number.to_bytes(2, "big") + bytes((1, len(oads)))
        return head + self._results(oads) + b"\0\0"

    def _results(self, oads: list[int]) -> bytes:
        return b"".join(self._result(oad) for oad in oads)

    def _result(self, oad: int) -> bytes:
        name = (oad + 0x100 if self.fault is Fault698.WRONG_OAD else oad).to_bytes(4, "big")
        if oad in self.refused:
            return name + bytes((0, self.refused[oad]))
        if oad in self.objects:
            return name + b"\x01" + self.objects[oad]
        return name + b"\0\x06"
