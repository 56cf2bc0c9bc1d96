"""Every reader of bytes from outside, fed by a fuzzer: nothing but the reader's own refusal may come out.

    scripts/fuzz [SECONDS]                                  # all, SECONDS each (60)
    python -m tests.fuzz dlt645-2007 [libFuzzer's flags]    # one

atheris (libFuzzer) watches which lines a byte string reaches and goes on from there; an exception, an input that takes
longer than 5 s, or more than 512 MB end the run and leave the input in a file. The published frames beside the project
are its first inputs where they are there. hypothesis does the like, briefly, in every test run.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import atheris

LONGEST_INPUT = 2048
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"
CODECS = {
    "modbus-rtu": ("edge_agent.codecs.modbus_rtu:describe", "modbus_rtu"),
    "dlt645-2007": ("edge_agent.codecs.dlt645:describe_2007", "dlt645_2007"),
    "dlt645-1997": ("edge_agent.codecs.dlt645:describe_1997", "dlt645_1997"),
    "dlt698.45": ("edge_agent.codecs.dlt698:describe", "dlt698_45"),
    "gb26875.3": ("edge_agent.codecs.gb26875:describe", "gb26875_3"),
}
"""(what describes a frame, where its published frames are)."""


def main() -> None:
    """Fuzz one reader until libFuzzer's flags end it, which ends its process at once: in a child."""
    with TemporaryDirectory() as corpus:
        child = os.fork()
        if child == 0:
            fuzz(sys.argv[1], corpus, sys.argv[2:])
        _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def fuzz(name: str, corpus: str, flags: list[str]) -> None:
    """Never returns."""
    with atheris.instrument_imports(include=["edge_agent.codecs", "evidence"]):
        read = reader(name)
    for number, seed in enumerate(seeds(name)):
        Path(corpus, str(number)).write_bytes(seed)
    ours = [f"-max_len={LONGEST_INPUT}", "-timeout=5", "-rss_limit_mb=512", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *ours, *flags, corpus], read)
    atheris.Fuzz()


def reader(name: str) -> Callable[[bytes], None]:
    """Reads bytes, and lets through whatever is not its own refusal."""
    if name == "statement":
        from evidence.errors import EvidenceError
        from evidence.statement import open_statement

        def read_statement(encoded: bytes) -> None:
            with suppress(EvidenceError):
                open_statement(encoded, lambda _: None)

        return read_statement
    if name == "body":
        return body_reader()
    if name == "mtconnect":
        return document_reader()
    if name == "recording":
        return recording_reader()
    from edge_agent.codecs.errors import FrameError

    module, _, function = CODECS[name][0].partition(":")
    describe: Callable[[bytes], dict[str, Any]] = getattr(import_module(module), function)

    framed = FRAMED[name]

    def read_frame(noise: bytes) -> None:
        """As it is, and with its length and check put right, so that what lies behind them is reached."""
        for frame in (noise, framed(noise)):
            with suppress(FrameError):
                json.dumps(describe(frame))

    return read_frame


def framed_modbus(noise: bytes) -> bytes:
    """The CRC made right (MODBUS over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for octet in noise:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return noise + crc.to_bytes(2, "little")


def framed_dlt645(noise: bytes) -> bytes:
    """An address, a control code and data out of the noise, the sum made right (DL/T 645-2007, 5.2)."""
    data = noise[7:207]
    head = b"\x68" + bytes(octet % 10 << 4 | octet % 10 for octet in noise[:6].ljust(6, b"\0")) + b"\x68"
    frame = head + (noise[6:7] or b"\x91") + bytes([len(data)]) + data
    return frame + bytes([sum(frame) % 256, 0x16])


def framed_dlt698(noise: bytes) -> bytes:
    """A server's frame around the noise as APDU, both checks made right (DL/T 698.45, annex D: CRC-16/X-25)."""
    head = (2 + 1 + 1 + 6 + 1 + 2 + len(noise) + 2).to_bytes(2, "little") + b"\xc3\x05" + bytes(6) + b"\x10"
    head += crc_x25(head)
    return b"\x68" + head + noise + crc_x25(head + noise) + b"\x16"


def crc_x25(octets: bytes) -> bytes:
    """CRC-16/X-25."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def framed_gb26875(noise: bytes) -> bytes:
    """The noise as application data of a frame, the sum made right (GB/T 26875.3-2011, 6)."""
    head = bytes(2) + b"\x01\x01" + bytes((30, 20, 10, 1, 1, 24)) + bytes(12)
    body = head + len(noise).to_bytes(2, "little") + b"\x02" + noise
    return b"@@" + body + bytes([sum(body) % 256]) + b"##"


FRAMED: dict[str, Callable[[bytes], bytes]] = {
    "modbus-rtu": framed_modbus,
    "dlt645-2007": framed_dlt645,
    "dlt645-1997": framed_dlt645,
    "dlt698.45": framed_dlt698,
    "gb26875.3": framed_gb26875,
}


def body_reader() -> Callable[[bytes], None]:
    """What is behind a good signature: an ill-typed body."""
    from evidence import cbor
    from evidence.bodies import Kind, body_from_value
    from evidence.errors import MalformedError

    kinds = list(Kind)

    def read_body(encoded: bytes) -> None:
        with suppress(MalformedError):
            body_from_value(
                int(kinds[encoded[0] % len(kinds)]) if encoded else 0, cbor.decode(encoded[1:], at_most=1 << 16)
            )

    return read_body


def document_reader() -> Callable[[bytes], None]:
    """An MTConnect agent's answer: as it is, and as the middle of one."""
    from edge_agent.codecs.errors import FrameError
    from edge_agent.codecs.mtconnect import parse

    start, end = STREAMS.split(b"|")

    def read_document(noise: bytes) -> None:
        for document in (noise, start + noise + end):
            with suppress(FrameError):
                parse(document)

    return read_document


def recording_reader() -> Callable[[bytes], None]:
    """A recording, of either form."""
    from edge_agent.codecs.errors import FrameError
    from edge_agent.codecs.recording import Form, Reader

    def read_recording(noise: bytes) -> None:
        for form in Form:
            reader = Reader(form)
            for line in noise.splitlines(keepends=True):
                with suppress(FrameError):
                    reader.take(line)

    return read_recording


STREAMS = (
    b'<MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:1.7"><Header instanceId="1" firstSequence="1" '
    b'lastSequence="2" nextSequence="3"/><Streams><DeviceStream name="a" uuid="b"><ComponentStream><Events>|</Events>'
    b"</ComponentStream></DeviceStream></Streams></MTConnectStreams>"
)
OWN_SEEDS = {
    "mtconnect": [STREAMS, b'<Execution dataItemId="a" timestamp="b" sequence="1">ACTIVE</Execution>'],
    "recording": [
        b'{"offset_ms": 0, "values": {"active_power": 1500.5, "energy": null}, "failure": "NO_VALUE"}\n',
        b"at_ms,active_power,failure\n1700000000000,1500.5,\n1700000001000,,SILENT\n",
    ],
}


def seeds(name: str) -> list[bytes]:
    """Published frames of this protocol, or our own."""
    if name in OWN_SEEDS:
        return OWN_SEEDS[name]
    file = VECTORS / f"{CODECS[name][1]}.json" if name in CODECS else VECTORS / "none"
    if not file.exists():
        return [b""]
    cases = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return [bytes.fromhex(case["hex"]) for case in cases]


if __name__ == "__main__":
    main()
