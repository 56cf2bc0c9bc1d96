"""How tests/vectors/wire-1 was made, once. A changed wire format gets a new folder; these files stay as they are.

    python scripts/make_wire_vectors.py FOLDER

The folder must not exist. The Ed25519 pages come out the same every time; the P-256 ones do not, since ECDSA draws a
number for every signature.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence.bodies import (
    Aggregate,
    Body,
    Boot,
    ClockStep,
    Column,
    Commissioning,
    Configuration,
    Crossing,
    Crossings,
    Direction,
    Event,
    EventKind,
    Events,
    Failure,
    Gap,
    GapReason,
    Heartbeat,
    Keep,
    Phase,
    Readings,
    Shutdown,
    Sight,
)
from evidence.bundle import Entry, entry, header
from evidence.chain import Segment
from evidence.judging.judge import RunState
from evidence.keys import PublicKey, SigningKey
from evidence.receipt import Receipt, Refusal, StreamReceipt, open_receipt, seal_receipt
from evidence.roster import Enrolled, Roster, open_roster, seal_roster
from evidence.show import receipt_json, roster_json, statement_json
from evidence.statement import ClockQuality, Moment, open_statement, seal

AT_MS = 1_772_323_200_000
"""2026-03-01 00:00:00 UTC."""
BOOT = bytes(range(16))
ENTERPRISE = "Suzhou Tyres 苏州轮胎"
SETTINGS: dict[str, Any] = {
    "title": "Lathe 1",
    "strategy": "power_threshold",
    "point": "active_power",
    "running_above_mw": 3_000_000,
    "idle_above_mw": 300_000,
    "hysteresis_mw": 100_000,
    "dwell_ms": 10_000,
    "hold_ms": 15_000,
    "period_ms": 5000,
}
CONFIG = sha256(Configuration(settings=SETTINGS).encoded).digest()
KEYS = {
    "ed25519": SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32)))),
    "p256": SigningKey(ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())),
}
RECEIVER = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))


def main() -> None:
    """Write the folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    write(folder, "keys", keys())
    pages: dict[str, bytes] = {}
    for name, (stream, n, body) in bodies().items():
        vectors = {algorithm: page(key, stream, n, body) for algorithm, key in KEYS.items()}
        pages[name] = vectors["ed25519"]
        write(folder, f"statement-{name}", {a: statement(p, KEYS[a].public) for a, p in vectors.items()})
    receipt = seal_receipt(RECEIVER, receipt_of(pages))
    roster = seal_roster(RECEIVER, roster_of())
    public = RECEIVER.public
    write(folder, "receipt", {"hex": receipt.hex(), "fields": receipt_json(open_receipt(receipt, lambda _: public))})
    write(folder, "roster", {"hex": roster.hex(), "fields": roster_json(open_roster(roster, lambda _: public))})
    contents = [(Entry.KEY, public.to_cose_key()), (Entry.ROSTER, roster)]
    contents += [(Entry.STATEMENT, pages[name]) for name in ("configuration", "readings")]
    contents += [(Entry.RECEIPT, receipt)]
    bundle = header() + b"".join(entry(kind, content) for kind, content in contents)
    fields = [{"type": int(kind), "sha256": sha256(content).hexdigest()} for kind, content in contents]
    write(folder, "bundle", {"hex": bundle.hex(), "fields": fields})


def keys() -> dict[str, Any]:
    """Private halves too: they sign nothing but these files."""
    told = {}
    for name, key in {**KEYS, "receiver": RECEIVER}.items():
        public = key.public
        told[name] = {
            "cose_key": public.to_cose_key().hex(),
            "thumbprint": public.thumbprint.hex(),
            "kid": public.kid.hex(),
            "fingerprint": public.fingerprint,
        }
    return told


def page(key: SigningKey, stream: str, n: int, body: Body) -> bytes:
    """One statement of box press-1; every n above 0 hangs on 32 bytes of 0x11."""
    moment = Moment(boot=BOOT, steady_ms=301_000, at_ms=AT_MS + 300_000, clock=ClockQuality.NTP, clock_error_ms=20)
    config = b"" if isinstance(body, Commissioning) else CONFIG
    if isinstance(body, Commissioning):
        body = Commissioning(
            enterprise=body.enterprise, site=body.site, software=body.software, public_key=key.public.to_cose_key()
        )
    prev = b"\x11" * 32 if n else b""
    return seal(key, box="press-1", stream=stream, n=n, prev=prev, moment=moment, config=config, body=body)


def bodies() -> dict[str, tuple[str, int, Body]]:
    """(stream, n, body) of one page a kind."""
    lathe = "machine/lathe"
    return {
        "readings": (lathe, 1, readings()),
        "readings-minute": (lathe, 2, minutes()),
        "crossings": ("gate/door", 1, crossings()),
        "events": (lathe, 4, events()),
        "gap": (lathe, 3, Gap(from_ms=AT_MS, to_ms=AT_MS + 60_000, reason=GapReason.BOX_OFF, lost=None)),
        "configuration": (lathe, 0, Configuration(settings=SETTINGS)),
        "commissioning": (
            "box",
            0,
            Commissioning(enterprise=ENTERPRISE, site="Hall 3", public_key=b"", software="qianliyan 0.1.0"),
        ),
        "boot": ("box", 2, Boot(software="qianliyan 0.1.0", last_alive_ms=AT_MS - 5000, last_boot=b"\x22" * 16)),
        "shutdown": ("box", 3, Shutdown(reason="update")),
        "heartbeat": (
            "box",
            4,
            Heartbeat(
                heads=[(lathe, 2, b"\x33" * 32), ("gate/door", 1, b"\x44" * 32)],
                unsent=2,
                disk_free_bytes=7_000_000_000,
                uptime_ms=301_000,
            ),
        ),
        "clock-step": ("box", 5, ClockStep(before_ms=AT_MS, after_ms=AT_MS + 4200)),
    }


def readings() -> Readings:
    """Every sample: stopped, then an answer that says running, then silence until the hold is over."""
    return Readings(
        from_ms=AT_MS,
        to_ms=AT_MS + 30_000,
        period_ms=5000,
        keep=Keep.EVERY,
        times_ms=[AT_MS, AT_MS + 5000, AT_MS + 10_000],
        columns=[
            Column(point="active_power", aggregate=Aggregate.SAMPLE, unit="W", decimals=1, values=[-5, 51_234, None]),
            Column(point="energy_import", aggregate=Aggregate.SAMPLE, unit="Wh", decimals=0, values=[1000, 1007, None]),
        ],
        failures=[(2, Failure.SILENT, 1)],
        spans=[(AT_MS, RunState.STOPPED), (AT_MS + 20_000, RunState.UNKNOWN)],
        frames=[(AT_MS + 5000, bytes.fromhex("010400000002"), bytes.fromhex("010404000a0b0c"))],
        missed=3,
    )


def minutes() -> Readings:
    """Two minutes, the second without an answer."""
    values: dict[Aggregate, list[int | None]] = {
        Aggregate.MEAN: [5000, None],
        Aggregate.MIN: [4900, None],
        Aggregate.MAX: [5100, None],
        Aggregate.LAST: [5050, None],
    }
    return Readings(
        from_ms=AT_MS,
        to_ms=AT_MS + 120_000,
        period_ms=5000,
        keep=Keep.MINUTE,
        times_ms=[AT_MS, AT_MS + 60_000],
        columns=[Column(point="active_power", aggregate=a, unit="W", decimals=0, values=v) for a, v in values.items()],
        asked=[12, 12],
        answered=[12, 0],
        failures=[(1, Failure.LINE_DOWN, 12)],
        spans=[(AT_MS, RunState.RUNNING), (AT_MS + 70_000, RunState.UNKNOWN)],
    )


def events() -> Events:
    """A limit passed and come back from, and a meter whose cover was opened."""
    below = Event(
        at_ms=AT_MS + 1000,
        event=EventKind.LIMIT,
        phase=Phase.RAISED,
        subject="pressure",
        value=63,
        reference=70,
        says="below 70 kPa for 60 s",
    )
    above = Event(
        at_ms=AT_MS + 9000, event=EventKind.LIMIT, phase=Phase.CLEARED, subject="pressure", value=81, reference=75
    )
    opened = Event(
        at_ms=AT_MS + 9000,
        event=EventKind.WITNESS,
        phase=Phase.NOTED,
        subject="cover_open_count",
        value=3,
        reference=2,
        says="开表盖",
    )
    return Events(events=[below, above, opened])


def crossings() -> Crossings:
    """Two goods in, one out, and a moment of blindness."""
    way = {Direction.IN: (1, 7), Direction.OUT: (9,)}
    found = [
        Crossing(
            at_ms=AT_MS + offset, direction=direction, label="carton", confidence_permille=870, track=offset // 1000
        )
        for direction, offsets in way.items()
        for offset in offsets
    ]
    return Crossings(
        from_ms=AT_MS,
        to_ms=AT_MS + 60_000,
        crossings=found,
        total_in=12,
        total_out=5,
        sight=[(AT_MS, Sight.CLEAR), (AT_MS + 30_000, Sight.BLIND), (AT_MS + 40_000, Sight.CLEAR)],
        frames_seen=900,
        frames_dropped=4,
        detector="carton-1",
        detector_sha256=b"\x55" * 32,
    )


def receipt_of(pages: dict[str, bytes]) -> Receipt:
    """The lathe's page 0 is held, page 1 is missing, 2 and 3 are held; one page of the gate was refused."""
    return Receipt(
        receiver="main",
        box="press-1",
        at_ms=AT_MS + 400_000,
        streams=(
            StreamReceipt(
                stream="machine/lathe",
                segments=(
                    Segment(0, 0, b"", sha256(pages["configuration"]).digest()),
                    Segment(2, 3, b"\x11" * 32, sha256(pages["gap"]).digest()),
                ),
            ),
        ),
        refusals=(Refusal(sha256=sha256(pages["crossings"]).digest(), reason="no such stream is enrolled"),),
    )


def roster_of() -> Roster:
    """Two boxes, one of each kind of key."""
    boxes = tuple(
        Enrolled(box=box, enterprise=ENTERPRISE, site="Hall 3", key=KEYS[name].public, since_ms=AT_MS)
        for box, name in (("press-1", "ed25519"), ("press-2", "p256"))
    )
    return Roster(receiver="main", at_ms=AT_MS + 400_000, boxes=boxes)


def statement(encoded: bytes, key: PublicKey) -> dict[str, Any]:
    """The page and what it says."""
    return {"hex": encoded.hex(), "fields": statement_json(open_statement(encoded, lambda _: key))}


def write(folder: Path, name: str, what: object) -> None:
    """One file."""
    (folder / f"{name}.json").write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
