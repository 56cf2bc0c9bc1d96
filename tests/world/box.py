"""A whole box but for its wires: key, clock, spool and keeper, started, killed and started again at will.

    box = BoxUnderTest(tmp_path)
    keeper = box.start()
    box.read("press", 1500)          # a reading of 1500 W now
    keeper.step()
    box.die()                        # as a power cut does it: nothing is said, nothing is finished
    keeper = box.start()

`Statements` opens every chain of a spool and checks that it is one.
"""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from edge_agent.config.load import Box
from edge_agent.keeping.keeper import Keeper
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool
from edge_agent.reading import Frame, Reading
from evidence.bodies import Body, Configuration, Event, Events, Failure, Gap, Keep, Readings
from evidence.judging.recompute import Recomputed, Recount, Rejudged
from evidence.keys import SigningKey
from evidence.statement import Statement, open_statement
from tests.world.clock import TestClock

BOX = "box-1"
FRAME: Frame = (b"\x01\x04ask", b"\x01\x04answer")


def machine_settings(
    name: str = "press", *, keep: Keep = Keep.EVERY, period_ms: int = 1000, points: int = 2, judged: bool = True
) -> dict[str, Any]:
    """Signed settings of a machine: active_power in W, then a counter, then more gauges."""
    shapes = [
        {"name": "active_power", "unit": "W", "decimals": 1, "kind": "gauge"},
        {"name": "energy", "unit": "Wh", "decimals": 0, "kind": "counter"},
        *({"name": f"voltage_{i}", "unit": "V", "decimals": 1, "kind": "gauge"} for i in range(126)),
    ]
    settings: dict[str, Any] = {
        "title": name,
        "period_ms": period_ms,
        "keep": int(keep),
        "points": shapes[:points],
    }
    if judged:
        settings |= {
            "strategy": "power_threshold",
            "point": "active_power",
            "running_above_mw": 1_000_000,
            "idle_above_mw": 100_000,
            "hysteresis_mw": 50_000,
            "dwell_ms": 3_000,
            "hold_ms": 5_000,
        }
    return settings


def box_of(directory: Path, **other: Any) -> Box:  # noqa: ANN401
    """A box's section with small intervals."""
    values: dict[str, Any] = {
        "id": BOX,
        "enterprise": "Suzhou Tyre",
        "site": "hall 2",
        "signing_key": directory / "signing.pem",
        "spool": directory / "spool.db",
        "seal_every_ms": 60_000,
        "heartbeat_every_ms": 120_000,
        "commit_every_ms": 1_000,
        "disk_quota_bytes": 64 * 1024 * 1024,
        "keep": Keep.EVERY,
        "profiles": None,
    }
    return Box(**(values | other))


@dataclass(kw_only=True)
class Statements:
    """Every statement in a spool, each stream's chain whole and signed."""

    by_stream: dict[str, list[Statement]]

    @classmethod
    def of(cls, spool_file: Path, key: SigningKey) -> "Statements":
        """Asserts that every chain verifies from n = 0, under the settings that it names."""
        with closing(Spool(spool_file, box=BOX, read_only=True)) as spool:
            return cls.of_encoded(spool.statements(unsent_only=False), key)

    @classmethod
    def of_encoded(cls, encoded: Iterable[bytes], key: SigningKey) -> "Statements":
        by_stream: dict[str, list[Statement]] = {}
        for each in encoded:
            statement = open_statement(each, {key.public.kid: key.public}.get)
            by_stream.setdefault(statement.stream, []).append(statement)
        for stream, chain in by_stream.items():
            chain.sort(key=lambda statement: statement.n)
            prev, config = b"", b""
            for n, statement in enumerate(chain):
                assert (statement.box, statement.n, statement.prev) == (BOX, n, prev), f"{stream} is no chain at {n}"
                if not isinstance(statement.body, Configuration):
                    assert statement.config == config, f"{stream} {n} names other settings"
                prev, config = statement.sha256, statement.config
        return cls(by_stream=by_stream)

    def bodies(self, stream: str) -> list[Body]:
        return [statement.body for statement in self.by_stream.get(stream, [])]

    def windows(self, stream: str = "machine/press") -> list[Readings]:
        return [body for body in self.bodies(stream) if isinstance(body, Readings)]

    def gaps(self, stream: str = "machine/press") -> list[Gap]:
        return [body for body in self.bodies(stream) if isinstance(body, Gap)]

    def judged_again(self, stream: str = "machine/press") -> Rejudged:
        """What a bank finds that judges the stream again."""
        return judged_again(self.bodies(stream))

    def events(self, stream: str = "machine/press") -> list[Event]:
        return [event for body in self.bodies(stream) if isinstance(body, Events) for event in body.events]

    def times(self, stream: str = "machine/press") -> list[int]:
        """Of every sample that is sealed."""
        return [at_ms for window in self.windows(stream) for at_ms in window.times_ms]


def judged_again(bodies: Iterable[Body]) -> Rejudged:
    """What a bank finds that judges these bodies of one chain again."""
    found = recounted(bodies).rejudged
    assert found is not None, "nothing was judged"
    return found


def recounted(bodies: Iterable[Body]) -> Recomputed:
    """What a bank works out from these bodies of one chain."""
    recount, config = Recount(), b""
    for n, body in enumerate(bodies):
        if isinstance(body, Configuration):
            config = sha256(body.encoded).digest()
            recount.configure(body, config)
        elif isinstance(body, Readings):
            recount.readings(n, body, config=config, follows=True)
        elif isinstance(body, Events):
            recount.events(n, body, follows=True)
    return recount.result()


@dataclass(kw_only=True)
class BoxUnderTest:
    """See the module."""

    directory: Path
    clock: TestClock = field(default_factory=TestClock)
    settings: dict[str, dict[str, Any]] = field(default_factory=lambda: {"machine/press": machine_settings()})
    key: SigningKey = field(default_factory=SigningKey.generate)
    other: dict[str, Any] = field(default_factory=dict)
    energy: int = 0

    def __post_init__(self) -> None:
        self.box = box_of(self.directory, **self.other)
        self.spool: Spool | None = None

    def start(self) -> Keeper:
        """A new process, as far as the spool can tell."""
        self.signer = self.open()
        self.keeper = Keeper(self.signer, self.box, self.settings, {"enterprise": "Suzhou Tyre"})
        self.keeper.start()
        return self.keeper

    def open(self) -> Signer:
        assert self.spool is None, "it runs already"
        self.spool = Spool(self.box.spool, box=BOX)
        return Signer(self.spool, self.key, self.clock)

    def die(self) -> None:
        """What was not committed is gone."""
        assert self.spool is not None
        self.spool.close()
        self.spool = None

    def read(
        self,
        name: str,
        watts: float | None,
        *,
        failure: Failure | None = None,
        cycles: int = 1,
        events: tuple[Event, ...] = (),
    ) -> Reading:
        """Deliver a reading of this instant; None failed."""
        stream = f"machine/{name}"
        points = len(self.settings[stream]["points"])
        self.energy += 1
        values: tuple[int | None, ...] = (None,) * points
        if watts is not None:
            values = (round(watts * 10), self.energy, *range(2300, 2300 + points))[:points]
        elif failure is None:
            failure = Failure.SILENT
        reading = Reading(
            stream=stream,
            at_ms=self.clock.utc_ms(),
            steady_ms=self.clock.steady_ms(),
            values=values,
            failure=failure,
            frames=(FRAME,) if watts is not None else (),
            events=events,
            cycles=cycles,
        )
        self.keeper.deliver(reading)
        return reading

    def run(self, seconds: int, watts: float | None = 1500) -> list[int]:
        """Every stream is read once a second and kept; the times of the readings."""
        times = []
        for _ in range(seconds):
            self.clock.sleep(1000)
            times += [self.read(stream.partition("/")[2], watts).at_ms for stream in self.settings]
            self.keeper.step()
        return times

    def statements(self) -> Statements:
        return Statements.of(self.box.spool, self.key)


def write_config(directory: Path, *, receiver: SigningKey | None = None, key: bool = False) -> Path:
    """A box's file in this directory, without machines; `receiver` gives it an uplink that is never used."""
    file = directory / "box.toml"
    text = f'[box]\nid = "{BOX}"\nenterprise = "Suzhou Tyre"\nsite = "hall 2"\n'
    text += 'signing_key = "./signing.pem"\nspool = "./spool.db"\n'
    if receiver is not None:
        (directory / "receiver.pub").write_bytes(receiver.public.to_cose_key())
        text += '[uplink]\nhost = "localhost"\nca = "./ca.pem"\ncert = "./box.pem"\nkey = "./box.key"\n'
        text += 'receiver_key = "./receiver.pub"\n'
    if key:
        SigningKey.generate().save(directory / "signing.pem")
    file.write_text(text, encoding="utf-8")
    return file
