"""MTConnect documents as values, and the only two requests that this program can make of an agent. Pure.

ANSI/MTC1.4 to 2.x, Part 1 (Fundamentals) and Part 3 (Streams); agents of 1.2 and 1.3 say the same in another namespace.
An agent answers with MTConnectStreams, which has a Header and observations, or with MTConnectError.

1. A document is UTF-8 without a DTD. At the first sign of one it is refused, so no entity is ever defined or expanded.
2. Its size, its depth and the number of its observations are bounded.
3. An observation is any element in a Samples, Events or Condition with a dataItemId, in whatever namespace: makers add
   their own. Only its attributes and its own text are taken; data sets and tables are no single value.

There is no way here to build a PUT or a POST, by which some agents let their data be changed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from xml.parsers import expat

from edge_agent.codecs.errors import FrameError, FrameFault

DOCUMENT_LIMIT: Final = 4_000_000
"""Bytes of one document."""
DEPTH_LIMIT: Final = 32
OBSERVATIONS_LIMIT: Final = 20_000
ERRORS_LIMIT: Final = 32
TEXT_LIMIT: Final = 1024
"""Characters of one observation's text that are kept; a longer one is no value of ours."""
STAMP_LIMIT: Final = 40
"""Characters of an instant."""
COUNT_LIMIT: Final = 1_000
"""Observations that one `sample` asks for."""
SEQUENCE_LIMIT: Final = 1 << 64
UNAVAILABLE: Final = "UNAVAILABLE"
"""What an agent says where it has no value (Part 3)."""

OUT_OF_RANGE: Final = "OUT_OF_RANGE"
"""The error code for a `from` that the agent's buffer has no more, or not yet (Part 1)."""


class Category(Enum):
    """What an observation is (Part 3): a measurement, a state or message, the health of something."""

    SAMPLE = "SAMPLE"
    EVENT = "EVENT"
    CONDITION = "CONDITION"


CONDITIONS: Final = {"Normal": 0, "Warning": 1, "Fault": 2}
"""The levels of a condition, the worse the higher; Unavailable is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an agent says of its answer; sequence numbers count observations since the instance began."""

    instance_id: int
    """Changes whenever the agent begins with an empty buffer."""
    first_sequence: int
    """The oldest observation that the buffer still has."""
    last_sequence: int
    next_sequence: int
    """Where the next `sample` should begin."""
    buffer_size: int
    """How many observations the buffer holds; 0 where the agent does not say."""
    created: str
    """When the agent wrote it, as it writes it."""


class Observation(NamedTuple):
    """One element of a stream."""

    category: Category
    tag: str
    """Execution, PathFeedrate, or a condition's level; without the namespace."""
    data_item: str
    """The dataItemId."""
    name: str | None
    type: str | None
    """Only of a condition; elsewhere the tag says it."""
    sub_type: str | None
    sequence: int
    timestamp: str
    """By the agent's clock, as it writes it."""
    code: str
    """Of a condition: which of several it is; empty where it is the only one."""
    text: str
    device: str
    """The uuid of the device that it belongs to, else its name."""
    raw: bytes
    """As it stands in the document."""

    @property
    def is_available(self) -> bool:
        """Whether it has a value at all."""
        return self.text != UNAVAILABLE and self.tag != "Unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """An answer with observations, in the document's order."""

    header: Header
    header_raw: bytes
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer that says why there is no other."""

    errors: tuple[tuple[str, str], ...]
    """(error code, text for a person)."""


def current(device: str = "") -> str:
    """The request for the newest observation of every data item; `device` is a path such as Mill-1, or empty."""
    return f"{_path(device)}/current"


def sample(device: str = "", *, start: int, count: int = COUNT_LIMIT) -> str:
    """The request for observations from a sequence number on."""
    if not 0 <= start < SEQUENCE_LIMIT or not 1 <= count <= COUNT_LIMIT:
        raise ValueError(f"no sample from {start} with {count}")
    return f"{_path(device)}/sample?from={start}&count={count}"


def parse(document: bytes) -> Streams | Refused:
    """The document's meaning. Raises FrameError and nothing else."""
    if len(document) > DOCUMENT_LIMIT:
        raise FrameError(FrameFault.LIMIT, f"a document of more than {DOCUMENT_LIMIT} bytes")
    if document.startswith(_UTF_16):  # expat would follow them, whatever it is told
        raise FrameError(FrameFault.VALUE, "not UTF-8")
    reading = _Reading(document)
    try:
        reading.run()
    except expat.ExpatError as wrong:
        fault = FrameFault.SHORT if wrong.code in _UNFINISHED else FrameFault.VALUE
        raise FrameError(fault, f"no XML: {wrong}") from wrong
    return reading.found()


def same_type(tag: str, kind: str) -> bool:
    """Whether an element's tag stands for a data item's type: PATH_FEEDRATE is written PathFeedrate (Part 3)."""
    return tag.lower() == kind.replace("_", "").lower()


_UNFINISHED: Final = frozenset(
    expat.errors.codes[getattr(expat.errors, name)]
    for name in ("XML_ERROR_NO_ELEMENTS", "XML_ERROR_UNCLOSED_TOKEN", "XML_ERROR_PARTIAL_CHAR")
)
_NAMESPACE: Final = re.compile(r"urn:mtconnect\.org:MTConnect(Streams|Error):[12]\.\d{1,2}")
_GROUPS: Final = {"Samples": Category.SAMPLE, "Events": Category.EVENT, "Condition": Category.CONDITION}
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_TAG: Final = re.compile(rb"<([^\s/>]+)")
_WHOLE: Final = re.compile(r"\d{1,20}")


class _Open(NamedTuple):
    """An observation whose end has not come yet."""

    depth: int
    tag: str
    attributes: dict[str, str]
    starts_at: int


class _Reading:
    """One pass over a document."""

    def __init__(self, document: bytes) -> None:
        self._document = document
        self._path: list[str] = []
        self._category: Category | None = None
        self._group_depth = 0
        self._device = ""
        self._open: _Open | None = None
        self._text: list[str] = []
        self._observations: list[Observation] = []
        self._errors: list[tuple[str, str]] = []
        self._error = ""
        self._error_depth = -1
        self._header: Header | None = None
        self._header_at: int | None = None
        self._header_raw = b""
        self._what = ""
        parser = expat.ParserCreate("UTF-8", "}")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        self._parser = parser

    def run(self) -> None:
        """Raises FrameError or expat.ExpatError."""
        self._parser.Parse(self._document, True)

    def found(self) -> Streams | Refused:
        """What the document was."""
        if self._what == "Error":
            if not self._errors:
                raise FrameError(FrameFault.VALUE, "an MTConnectError without an error")
            return Refused(errors=tuple(self._errors))
        if self._header is None:
            raise FrameError(FrameFault.VALUE, "an MTConnectStreams without a Header")
        return Streams(header=self._header, header_raw=self._header_raw, observations=tuple(self._observations))

    def _doctype(self, *_: Any) -> None:  # noqa: ANN401  # expat hands over what a DTD says; nothing is looked at
        raise FrameError(FrameFault.CONTROL, "a DTD, which no agent sends")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition("}")
        depth = len(self._path)
        if depth >= DEPTH_LIMIT:
            raise FrameError(FrameFault.LIMIT, f"elements deeper than {DEPTH_LIMIT}")
        if depth == 0:
            self._what = _root(namespace, tag)
        self._path.append(tag)
        if tag == "Header" and depth == 1 and self._what == "Streams":
            self._header = _header(attributes)
            self._header_at = self._parser.CurrentByteIndex
        elif self._what == "Error":
            self._start_error(attributes)
        elif tag == "DeviceStream":
            self._device = attributes.get("uuid") or attributes.get("name", "")
        elif self._category is None and tag in _GROUPS:
            self._category, self._group_depth = _GROUPS[tag], depth
        elif self._category is not None and self._open is None and "dataItemId" in attributes:
            if len(self._observations) >= OBSERVATIONS_LIMIT:
                raise FrameError(FrameFault.LIMIT, f"more than {OBSERVATIONS_LIMIT} observations")
            self._open = _Open(depth, tag, attributes, self._parser.CurrentByteIndex)
            self._text = []

    def _start_error(self, attributes: dict[str, str]) -> None:
        code = attributes.get("errorCode")
        if code is not None and self._error_depth < 0 and len(self._errors) < ERRORS_LIMIT:
            self._error, self._error_depth, self._text = code[:TEXT_LIMIT], len(self._path) - 1, []

    def _data(self, text: str) -> None:
        if self._error_depth >= 0 or (self._open is not None and len(self._path) == self._open.depth + 1):
            self._text.append(text)

    def _end(self, name: str) -> None:
        del name
        depth = len(self._path) - 1
        tag = self._path.pop()
        if self._open is not None and depth == self._open.depth:
            self._observations.append(self._observation(self._open))
            self._open = None
        elif self._category is not None and self._open is None and depth == self._group_depth:
            self._category = None
        elif self._header_at is not None and tag == "Header" and depth == 1:
            self._header_raw = self._since(self._header_at)
            self._header_at = None
        elif depth == self._error_depth:
            self._errors.append((self._error, " ".join("".join(self._text).split())[:TEXT_LIMIT]))
            self._error_depth = -1

    def _observation(self, of: _Open) -> Observation:
        assert self._category is not None  # noqa: S101  # observations stand in groups
        attributes = of.attributes
        return Observation(
            category=self._category,
            tag=of.tag,
            data_item=attributes["dataItemId"],
            name=attributes.get("name"),
            type=attributes.get("type"),
            sub_type=attributes.get("subType"),
            sequence=_whole(attributes, "sequence"),
            timestamp=attributes.get("timestamp", "")[:STAMP_LIMIT],
            code=attributes.get("conditionId") or attributes.get("nativeCode", ""),
            text="".join(self._text).strip()[:TEXT_LIMIT],
            device=self._device,
            raw=self._since(of.starts_at),
        )

    def _since(self, start: int) -> bytes:
        """The element that began there and ends here; expat stands before its end tag, or behind an empty one."""
        end = self._parser.CurrentByteIndex
        name = _TAG.match(self._document, start)
        if name and self._document.startswith(b"</" + name[1], end):
            end = self._document.index(b">", end) + 1
        return self._document[start:end]


def _root(namespace: str, tag: str) -> str:
    fits = _NAMESPACE.fullmatch(namespace)
    if not fits or tag != f"MTConnect{fits[1]}":
        raise FrameError(FrameFault.START, f"{tag:.40} in {namespace or 'no namespace':.80} is no answer of an agent")
    return fits[1]


def _header(attributes: dict[str, str]) -> Header:
    return Header(
        instance_id=_whole(attributes, "instanceId"),
        first_sequence=_whole(attributes, "firstSequence"),
        last_sequence=_whole(attributes, "lastSequence"),
        next_sequence=_whole(attributes, "nextSequence"),
        buffer_size=_whole(attributes, "bufferSize") if "bufferSize" in attributes else 0,
        created=attributes.get("creationTime", ""),
    )


def _whole(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "")
    if not _WHOLE.fullmatch(text) or not text.isascii() or int(text) >= SEQUENCE_LIMIT:
        raise FrameError(FrameFault.VALUE, f"{name} is {text!r:.40}")
    return int(text)


def _path(device: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in _parts(device))


def _parts(device: str) -> Iterator[str]:
    for part in device.split("/"):
        if part in {".", ".."}:
            raise ValueError(f"{device} is no path to a device")
        if part:
            yield part
