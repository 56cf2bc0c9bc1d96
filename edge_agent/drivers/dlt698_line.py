"""Talking to one DL/T 698.45 meter on its line: requests that read, and which frame answers them.

1. An answer counts only when it comes from this meter's address to ours, is a GET response with our service number, and
   names the objects we asked for in our order. Anything else is passed over until the time is over.
2. An answer too long for one frame comes in blocks; the next one is asked for until the last, at most BLOCKS_LIMIT.
   One that comes in link segments is not taken: segments want a confirmation, and here is nothing but GET.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from edge_agent.codecs.dlt698 import EVERYONE, SegmentKind, Server, frames_in, read_frame, request_frame
from edge_agent.codecs.dlt698_apdu import (
    PIID_LIMIT,
    Get,
    GetNext,
    GetNormal,
    GetNormalList,
    GetResponse,
    Result,
    read_response,
)
from edge_agent.codecs.errors import FrameError
from edge_agent.config.sections import Identity
from edge_agent.drivers.identity import Said, number_of
from edge_agent.drivers.serial_line import SerialLine
from edge_agent.reading import Frame
from evidence.bodies import Failure

CLIENT: Final = 0x10
"""This box's address on the line."""
WAKING: Final = b"\xfe" * 4
"""Sent before a request (DL/T 698.45, annex on the physical layer)."""
BLOCKS_LIMIT: Final = 32
"""Of one answer."""
OBJECT_BYTES: Final = 48
"""An object's value with its OAD, as a rule at most: a total and eight tariffs."""
FRAME_BYTES: Final = 32
"""A frame without its objects, at most."""
ADDRESS_OAD: Final = 0x40010200
NUMBER_OADS: Final = {"meter_number": 0x40020200, "asset_number": 0x41030200}


def service_numbers() -> Iterator[int]:
    """1 to 63, then 0, round and round: one for each request, so that an old answer is known as one."""
    piid = 0
    while True:
        piid = (piid + 1) % (PIID_LIMIT + 1)
        yield piid


@dataclass(slots=True, kw_only=True)
class Talk:
    """What is said in one asking of one meter."""

    line: SerialLine
    server: Server
    piids: Iterator[int]
    results: dict[int, Result] = field(default_factory=dict)
    """By OAD."""
    frames: list[Frame] = field(default_factory=list)
    address: str | None = None
    """Who answered; None while nobody has."""
    failure: Failure | None = None
    """Of the last question, when it got no answer."""

    def get(self, objects: tuple[int, ...]) -> bool:
        """One request for these objects; False where it failed, or was refused as a whole and there is no failure."""
        request: Get = GetNormal(oad=objects[0]) if len(objects) == 1 else GetNormalList(oads=objects)
        block: int | None = None
        for _ in range(BLOCKS_LIMIT):
            response = self._ask(request, objects, block)
            if response is None or response.dar is not None:
                return False
            self.results |= {result.oad: result for result in response.results}
            objects = objects[len(response.results) :]
            if response.block is None or response.block.last:
                return True
            block = response.block.number
            request = GetNext(block=block)
        self.failure = Failure.GARBLED
        return False

    def _ask(self, request: Get, objects: tuple[int, ...], block: int | None) -> GetResponse | None:
        """None without an answer, and where it comes in segments."""
        piid = next(self.piids)
        question = request_frame(request, server=self.server, client=CLIENT, piid=piid)

        def answer_in(heard: bytes) -> "_Answer | None":
            answers = (self._answer(raw, piid, objects, block) for raw in frames_in(heard))
            return next((answer for answer in answers if answer is not None), None)

        answer_bytes = FRAME_BYTES + OBJECT_BYTES * len(objects)
        said = self.line.ask(WAKING + question, answer_in, answer_bytes=answer_bytes)
        self.frames.append((question, said.answer.raw if said.answer else said.heard))
        self.failure = said.failure
        if said.answer is None:
            return None
        self.address = said.answer.address
        return said.answer.response

    def _answer(self, raw: bytes, piid: int, objects: tuple[int, ...], block: int | None) -> "_Answer | None":
        """The frame as an answer to our question, or None when it is none."""
        frame = read_frame(raw)
        address = frame.server.digits
        is_ours = self.server == EVERYONE or address == self.server.digits
        if not frame.from_server or frame.client != CLIENT or not is_ours:
            return None
        if frame.segment is not None:
            first = frame.segment.kind is SegmentKind.FIRST and frame.apdu[2:3] == bytes((piid,))
            return _Answer(raw, address, None) if first else None
        try:
            response = read_response(frame.apdu)
        except FrameError:
            return None
        fits = response.piid == piid and _names(response, objects) and _follows(response, block)
        return _Answer(raw, address, response) if fits else None


def who(line: SerialLine, server: Server, wanted: Sequence[str]) -> Said:
    """Ask a meter for the wanted ones of `meter_number` and `asset_number`; after one without an answer for none."""
    talk = Talk(line=line, server=server, piids=service_numbers())
    said: dict[str, str | None] = {}
    failure: Failure | None = None
    for what in wanted:
        oad = NUMBER_OADS[what]
        if not talk.get((oad,)) and talk.failure is not None:
            failure = failure or talk.failure
            break
        result = talk.results.get(oad)
        said[what] = _number(result)
        if said[what] is None:
            failure = failure or (Failure.NO_VALUE if result and result.data else Failure.REFUSED)
    return Said(Identity(**said), failure, tuple(talk.frames), talk.address is not None)


class _Answer(NamedTuple):
    """A frame that answers; `response` is None where it is but a segment of one."""

    raw: bytes
    address: str
    response: GetResponse | None


def _number(result: Result | None) -> str | None:
    match result.data.value if result and result.data else None:
        case bytes() as octets:
            return number_of(octets.hex().upper())
        case str() as text:
            return number_of(text)
        case _:
            return None


def _names(response: GetResponse, objects: tuple[int, ...]) -> bool:
    """Whether it is about these objects in this order; a block, about the first of them; a refusal, about none."""
    named = tuple(result.oad for result in response.results)
    is_part = response.block is not None and not response.block.last
    return response.dar is not None or named == (objects[: len(named)] if is_part else objects)


def _follows(response: GetResponse, block: int | None) -> bool:
    """Whether it is the block after that one; without one, whatever comes first."""
    if block is None or response.block is None:
        return block is None or response.dar is not None
    return response.dar is not None or response.block.number == (block + 1) & 0xFFFF
