"""The demonstration's sealed meter, held to what a DL/T 645 meter says."""

from demo.curves import Meter
from demo.sealed_meter import ADDRESS, RATIO, STOOD_AT_WH, SealedMeter
from edge_agent.codecs.dlt645 import describe_2007
from tests.world.dlt645_frames import di, sealed

HOUR_MS = 3_600_000
WATTS = 80_000


class Bench:
    """The meter with its wires, and a clock to set."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._meter = SealedMeter(Meter(lambda _: WATTS, 0), now_ms=lambda: self.now_ms, opened_at_ms=2 * HOUR_MS)

    def ask(self, item: str, address: str = ADDRESS) -> bytes:
        """Byte by byte, after waking it."""
        question = sealed(address, 0x11, di(item), wakes=4)
        return b"".join(self._meter.hear(bytes((octet,))) for octet in question)

    def value(self, item: str) -> object:
        return describe_2007(self.ask(item))["value"]


def test_its_register_counts_what_its_transformers_let_through() -> None:
    bench = Bench()
    assert bench.value("00010000") == f"{STOOD_AT_WH / 1000:.2f}"
    bench.now_ms = HOUR_MS
    assert bench.value("00010000") == f"{(STOOD_AT_WH + WATTS / RATIO) / 1000:.2f}"
    assert bench.value("02030000") == "2.0000"


def test_it_counts_the_opening_of_its_cover() -> None:
    bench = Bench()
    assert bench.value("03300D00") == 1
    bench.now_ms = 2 * HOUR_MS
    assert bench.value("03300D00") == 2


def test_it_says_its_number_and_refuses_what_it_does_not_have() -> None:
    assert Bench().value("04000402") == ADDRESS
    assert describe_2007(Bench().ask("04000403"))["function"] == "read"
    assert "error_flags" in describe_2007(Bench().ask("04000403"))


def test_it_is_silent_when_another_meter_is_asked() -> None:
    bench = Bench()
    assert bench.ask("00010000", "000000000001") == b""
    assert bench.value("04000402") == ADDRESS
