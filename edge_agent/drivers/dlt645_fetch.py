"""Asks a DL/T 645 meter for one DI on a serial line, to the end of its answer. It can only read.

Rules:
1. A question is built by the codec, which can build nothing but questions, and leaves only when its control code is
   one of those. It is asked once.
2. An answer counts only when its address, its function, its DI and its frame number are those that were asked for;
   every other frame, and what is none, is passed over until the time is over.
3. An answer that says "more follows" is fetched to its end, which must come within FRAMES_LIMIT frames.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from edge_agent.codecs.dlt645 import di_and_rest
from edge_agent.codecs.dlt645_frame import (
    ANY_ADDRESS,
    SHORTEST,
    WAKES,
    Asking,
    Edition,
    Frame,
    frames_in,
    read,
    read_address,
    read_more,
)
from edge_agent.drivers.serial_line import Said, SerialLine
from edge_agent.reading import Frame as Exchanged
from evidence.bodies import Failure

FRAMES_LIMIT: Final = 16
"""Frames of one answer, each with at most 200 bytes of data."""
DATA_BYTES: Final = 200
"""Data of the longest frame (2007: 5.2.4)."""
_CONTROL_AT: Final = WAKES + 8
"""Where the control code stands in a request."""
_ADDRESS_ANSWER: Final = 0x93
_ADDRESS_BYTES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All the data that a meter gave for one DI, without the DI and the frame numbers."""

    address: str
    data: bytes
    frames: tuple[Exchanged, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Why there are none; `error` is the meter's own error byte where it gave one."""

    failure: Failure
    error: int | None = None
    frames: tuple[Exchanged, ...]


def fetch(
    line: SerialLine, edition: Edition, address: str, di: str, *, data_bytes: int = DATA_BYTES
) -> Answer | NoAnswer:
    """Ask one meter for one DI. With ANY_ADDRESS whoever answers is taken: for a scan only."""
    frames: list[Exchanged] = []
    data, more, who = b"", True, address
    while more:
        sequence = len(frames)
        if sequence == FRAMES_LIMIT:
            return NoAnswer(failure=Failure.GARBLED, frames=tuple(frames))
        question = read_more(edition, who, di, sequence) if sequence else read(edition, address, di)
        said = _ask(line, question, partial(_answers, edition, who, di, sequence), data_bytes)
        frames.append((question, said.answer[1] if said.answer else said.heard))
        if said.answer is None:
            return NoAnswer(failure=said.failure or Failure.GARBLED, frames=tuple(frames))
        frame = said.answer[0]
        if frame.is_error:
            error = frame.data[0] if frame.data else 0
            return NoAnswer(failure=Failure.REFUSED, error=error, frames=tuple(frames))
        part = di_and_rest(frame.data, edition)[1]
        data += part[:-1] if sequence and edition is Edition.E2007 else part
        more, who = frame.has_more, frame.address
    return Answer(address=who, data=data, frames=tuple(frames))


def fetch_address(line: SerialLine) -> str | None:
    """The address of the only meter on a 2007 line; None when none answers, or several at once. For a scan."""
    said = _ask(line, read_address(), _says_its_address, _ADDRESS_BYTES)
    return said.answer[0].data[::-1].hex().upper() if said.answer else None


def _ask(
    line: SerialLine, question: bytes, fits: Callable[[Frame], bool], data_bytes: int
) -> Said[tuple[Frame, bytes]]:
    """Every question leaves here."""
    Asking(question[_CONTROL_AT])

    def answer_in(heard: bytes) -> tuple[Frame, bytes] | None:
        return next(((frame, octets) for frame, octets in frames_in(heard) if fits(frame)), None)

    return line.ask(question, answer_in, answer_bytes=WAKES + SHORTEST + data_bytes)


def _answers(edition: Edition, address: str, di: str, sequence: int, frame: Frame) -> bool:
    """Whether a frame is the answer to this question, be it an error."""
    asked = Asking.READ if edition is Edition.E2007 else Asking.READ_1997
    if not frame.is_answer or frame.function != asked + bool(sequence) or address not in {frame.address, ANY_ADDRESS}:
        return False
    if frame.is_error:
        return True
    numbered = bool(sequence) and edition is Edition.E2007
    if len(frame.data) < edition.di_bytes + numbered:
        return False
    return di_and_rest(frame.data, edition)[0] == di and (not numbered or frame.data[-1] == sequence)


def _says_its_address(frame: Frame) -> bool:
    return frame.control == _ADDRESS_ANSWER and len(frame.data) == _ADDRESS_BYTES
