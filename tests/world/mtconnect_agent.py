"""An MTConnect agent on a real socket that misbehaves on request; its XML is written here, not by the program.

with Agent() as agent:
    agent.say("exec", "ACTIVE")           # an observation
    agent.restart()                       # another instance, an empty buffer
    agent.fault = Fault.HANG
    agent.ledger                          # every request line
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, quoteattr


class Fault(Enum):
    NONE = "none"
    HANG = "hang"
    CUT = "half an answer, then the end"
    CLOSE = "hangs up without an answer"
    HANGS_UP_AFTERWARDS = "answers once a connection"
    GARBAGE = "no HTTP"
    HTML = "a web page"
    BOMB = "entities in entities"
    ENDLESS = "an answer without end"
    DRIP = "byte by byte, slowly"
    DRIP_HEAD = "the same, from the first byte"
    CHUNKED = "in chunks"
    BUSY = "503"
    BROKEN = "500"
    REDIRECT = "302"
    PACKED = "gzip, unasked"
    FROZEN = "the same answer for ever"


class DataItem(NamedTuple):
    id: str
    tag: str
    category: str = "EVENT"
    name: str = ""
    sub_type: str = ""
    type: str = ""
    """Of a condition."""


class Observed(NamedTuple):
    sequence: int
    id: str
    text: str
    at: str
    native: str = ""


MILL = (
    DataItem("avail", "Availability"),
    DataItem("exec", "Execution", name="execution"),
    DataItem("mode", "ControllerMode"),
    DataItem("estop", "EmergencyStop"),
    DataItem("parts", "PartCount", sub_type="ALL"),
    DataItem("load", "Load", "SAMPLE", name="Sload"),
    DataItem("feed", "PathFeedrate", "SAMPLE", sub_type="ACTUAL"),
    DataItem("energy", "ElectricalEnergy", "SAMPLE"),
    DataItem("system", "", "CONDITION", type="SYSTEM"),
)


@dataclass(kw_only=True)
class Agent:
    """See the module."""

    version: str = "1.7"
    device: str = "Mill-1"
    uuid: str = "M8010N9172N:1.2"
    items: tuple[DataItem, ...] = MILL
    buffer: int = 64
    page: int = 1000
    """Observations of one sample, at most."""
    chatters: int = 0
    """Observations of the first data item that are new at every request."""
    has_error_status: bool = True
    """Whether a refusal is 404, not 200 as with old agents."""
    fault: Fault = Fault.NONE
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    port: int = 0
    connections: int = 0
    ledger: list[str] = field(default_factory=list)
    instance_id: int = 1_600_000_000
    _sequence: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="agent")
        self._frozen = b""
        self._begin()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def say(self, item: str, text: str, *, native: str = "") -> None:
        """One observation; of a condition `text` is its level."""
        with self._lock:
            self._sequence += 1
            seen = Observed(self._sequence, item, text, stamp(self.clock()), native)
            self._buffer.append(seen)
            stands = [one for one in self._latest.get(item, []) if one.text in {"Warning", "Fault"}]
            stands = [one for one in stands if one.native != native and (native or text in {"Warning", "Fault"})]
            self._latest[item] = stands if native and text == "Normal" and stands else [*stands, seen]

    def restart(self) -> None:
        """As after its process died."""
        with self._lock:
            self.instance_id += 1
            self._sequence = 0
        self._begin()

    def hang_up(self) -> None:
        """Close every connection, as a firewall or a reboot does."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)

    def _begin(self) -> None:
        self._buffer: deque[Observed] = deque(maxlen=self.buffer)
        self._latest: dict[str, list[Observed]] = {}
        for item in self.items:
            self.say(item.id, "Unavailable" if item.category == "CONDITION" else "UNAVAILABLE")

    def document(self, target: str) -> tuple[int, bytes]:
        """(status, body) of a request."""
        parts = urlsplit(target)
        path = [unquote(part) for part in parts.path.split("/") if part]
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for _ in range(self.chatters):
            self.say(self.items[0].id, "AVAILABLE")
        with self._lock:
            if not path or path[-1] not in {"current", "sample"}:
                return self._refusal("INVALID_URI", f"{parts.path} is not known")
            if len(path) > 1 and path[0] not in {self.device, self.uuid}:
                return self._refusal("NO_DEVICE", f"Could not find the device '{path[0]}'")
            if path[-1] == "current":
                seen = [one for each in self._latest.values() for one in each]
                return 200, self._streams(seen, self._sequence + 1)
            start, count = int(asked["from"]), int(asked.get("count", "100"))
            if not self._buffer[0].sequence <= start <= self._sequence + 1:
                return self._refusal("OUT_OF_RANGE", f"'from' must be in {self._buffer[0].sequence}…{self._sequence}")
            seen = [one for one in self._buffer if one.sequence >= start][: min(count, self.page)]
            return 200, self._streams(seen, seen[-1].sequence + 1 if seen else start)

    def _streams(self, seen: Iterable[Observed], following: int) -> bytes:
        groups: dict[str, list[str]] = {"SAMPLE": [], "EVENT": [], "CONDITION": []}
        items = {item.id: item for item in self.items}
        for one in seen:
            groups[items[one.id].category].append(_element(items[one.id], one))
        filled = "".join(
            f"<{tag}>{''.join(groups[kind])}</{tag}>"
            for kind, tag in (("SAMPLE", "Samples"), ("EVENT", "Events"), ("CONDITION", "Condition"))
            if groups[kind]
        )
        head = f'firstSequence="{self._buffer[0].sequence}" lastSequence="{self._sequence}" nextSequence="{following}"'
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<MTConnectStreams xmlns:m="urn:mtconnect.org:MTConnectStreams:'
            f'{self.version}" xmlns="urn:mtconnect.org:MTConnectStreams:{self.version}">\n'
            f"<Header {self._common()} {head}/>\n<Streams><DeviceStream name={quoteattr(self.device)} "
            f'uuid={quoteattr(self.uuid)}><ComponentStream component="Controller" componentId="c1">{filled}'
            "</ComponentStream></DeviceStream></Streams></MTConnectStreams>\n"
        ).encode()

    def _common(self) -> str:
        return (
            f'creationTime="{stamp(self.clock())}" sender="fake" instanceId="{self.instance_id}" '
            f'version="{self.version}.0.1" bufferSize="{self.buffer}"'
        )

    def _refusal(self, code: str, text: str) -> tuple[int, bytes]:
        return 404 if self.has_error_status else 200, (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<MTConnectError xmlns="urn:mtconnect.org:MTConnectError:'
            f'{self.version}"><Header {self._common()}/><Errors>'
            f'<Error errorCode="{code}">{escape(text)}</Error></Errors></MTConnectError>'
        ).encode()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        for writer in list(self._alive):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _close(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._hang_up()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._alive.add(writer)
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._alive.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n")[0].decode()
        self.ledger.append(line)
        fault = self.fault  # one for the whole answer, whatever the test sets meanwhile
        status, body = self.document(line.split(" ")[1])
        pieces, goes_on = _FAULTS.get(fault, _plain)(status, body)
        if fault is Fault.FROZEN:
            self._frozen = self._frozen or b"".join(pieces)
            pieces = [self._frozen]
        drips = fault in {Fault.DRIP, Fault.DRIP_HEAD}
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if drips:
                await asyncio.sleep(0.02)
        if drips or fault in {Fault.HANG, Fault.ENDLESS}:
            await asyncio.sleep(3600)
        return goes_on


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _element(item: DataItem, one: Observed) -> str:
    tag = one.text if item.category == "CONDITION" else item.tag
    marks = {"dataItemId": item.id, "timestamp": one.at, "sequence": str(one.sequence)}
    marks |= {"name": item.name} if item.name else {}
    marks |= {"subType": item.sub_type} if item.sub_type else {}
    marks |= {"type": item.type} if item.type else {}
    marks |= {"nativeCode": one.native} if one.native else {}
    written = " ".join(f"{name}={quoteattr(value)}" for name, value in marks.items())
    return f"<{tag} {written}>{'' if item.category == 'CONDITION' else escape(one.text)}</{tag}>"


def _http(status: int, body: bytes, *more: str) -> bytes:
    lines = (f"HTTP/1.1 {status} Whatever", "Content-Type: text/xml", f"Content-Length: {len(body)}", *more)
    return "\r\n".join((*lines, "", "")).encode() + body


Pieces = tuple[Iterable[bytes], bool]


def _plain(status: int, body: bytes) -> Pieces:
    return [_http(status, body)], True


def _chunked(status: int, body: bytes) -> Pieces:
    chunks = [body[at : at + 100] for at in range(0, len(body), 100)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    return [f"HTTP/1.1 {status} OK\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + coded], True


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lolololololololololololololololololol">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">
<!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;"><!ENTITY g "&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;">]>
<MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:1.7">&g;</MTConnectStreams>"""


def _bytes_of(whole: bytes, start: int) -> list[bytes]:
    return [whole[:start], *(whole[at : at + 1] for at in range(start, len(whole)))]


_FAULTS: dict[Fault, Callable[[int, bytes], Pieces]] = {
    Fault.HANG: lambda _status, _body: ([], False),
    Fault.CLOSE: lambda _status, _body: ([], False),
    Fault.CUT: lambda status, body: ([_http(status, body)[: -len(body) // 2]], False),
    Fault.HANGS_UP_AFTERWARDS: lambda status, body: ([_http(status, body)], False),
    Fault.GARBAGE: lambda _status, _body: ([b"\x00\xff" * 40 + b"\r\n\r\n"], False),
    Fault.HTML: lambda _status, _body: ([_http(200, b"<html><body>Sign in<br></body></html>")], True),
    Fault.BOMB: lambda _status, _body: ([_http(200, BOMB)], True),
    Fault.ENDLESS: lambda _status, _body: (
        [b"HTTP/1.1 200 OK\r\n\r\n<MTConnectStreams>", *(b" " * 100_000 for _ in range(100))],
        False,
    ),
    Fault.DRIP: lambda status, body: (_bytes_of(_http(status, body), 120), False),
    Fault.DRIP_HEAD: lambda status, body: (_bytes_of(_http(status, body), 1), False),
    Fault.CHUNKED: _chunked,
    Fault.BUSY: lambda _status, _body: ([_http(503, b"")], True),
    Fault.BROKEN: lambda _status, _body: ([_http(500, b"boom")], True),
    Fault.REDIRECT: lambda _status, _body: ([_http(302, b"", "Location: http://127.0.0.1:1/evil")], True),
    Fault.PACKED: lambda _status, body: ([_http(200, body, "Content-Encoding: gzip")], True),
}
