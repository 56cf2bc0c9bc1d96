"""Buses, points and machines for the tests of the field side."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from edge_agent.config.load import Box, Bus, Config, Keep, Machine, Parity
from edge_agent.config.profiles import ByteOrder, Function, Limits, PointKind, PointType, Profile, Register, WordOrder
from edge_agent.config.sections import BusKind, SerialPort, TcpPort


def tcp(port: int, *, name: str = "hall", timeout_ms: int = 2_000, period_ms: int = 1000) -> Bus:
    where = TcpPort(host="127.0.0.1", port=port)
    return Bus(name=name, kind=BusKind.MODBUS_TCP, port=where, timeout_ms=timeout_ms, period_ms=period_ms)


def rtu(device: str, *, baud: int = 19200, timeout_ms: int = 2_000, period_ms: int = 1000) -> Bus:
    port = SerialPort(device=device, baud=baud, parity=Parity.NONE, stopbits=1)
    return Bus(name="line", kind=BusKind.MODBUS_RTU, port=port, timeout_ms=timeout_ms, period_ms=period_ms)


def rtu_over_tcp(port: int, *, baud: int = 19200, timeout_ms: int = 2_000, period_ms: int = 1000) -> Bus:
    """A line behind a transparent serial server."""
    where = TcpPort(host="127.0.0.1", port=port, baud=baud)
    return Bus(name="line", kind=BusKind.MODBUS_RTU, port=where, timeout_ms=timeout_ms, period_ms=period_ms)


def point(
    name: str,
    address: int,
    kind: PointType = PointType.UINT16,
    *,
    function: Function = Function.HOLDING_REGISTERS,
    word_order: WordOrder = WordOrder.HIGH_FIRST,
    byte_order: ByteOrder = ByteOrder.HIGH_FIRST,
    bits: tuple[int, int] | None = None,
    scale: Fraction | int = 1,
    decimals: int = 0,
    sentinels: frozenset[float] = frozenset(),
) -> Register:
    return Register(
        name=name,
        function=function,
        address=address,
        type=kind,
        word_order=word_order,
        byte_order=byte_order,
        bits=bits,
        scale=Fraction(scale),
        unit="W",
        decimals=decimals,
        kind=PointKind.GAUGE,
        sentinels=sentinels,
    )


def twenty() -> tuple[Register, ...]:
    """20 registers from address 0; the first two are the plant's own count of reads."""
    return (point("reads", 0, PointType.UINT32), *(point(f"value_{at}", at) for at in range(2, 20)))


def machine(
    bus: Bus,
    *,
    unit: int = 1,
    points: tuple[Register, ...] | None = None,
    limits: Limits | None = None,
    period_ms: int | None = None,
) -> Machine:
    points = points or twenty()
    limits = limits or Limits()
    profile = Profile(id="test", vendor="test", model="test", points=points, limits=limits, sha256=bytes(32))
    name = f"unit-{unit}"
    return Machine(
        name=name,
        title=name,
        stream=f"machine/{name}",
        bus=bus,
        unit=unit,
        profile=profile,
        points=points,
        period_ms=period_ms or bus.period_ms,
        keep=Keep.MINUTE,
        run_state=None,
    )


def config_of(folder: Path, machines: Sequence[Machine]) -> Config:
    return Config(
        file=folder / "box.toml",
        box=Box(
            id="box-1",
            enterprise="enterprise",
            site="site",
            signing_key=folder / "signing.key",
            spool=folder / "spool.db",
            seal_every_ms=300_000,
            heartbeat_every_ms=300_000,
            commit_every_ms=1_000,
            disk_quota_bytes=512_000_000,
            keep=Keep.MINUTE,
            profiles=None,
        ),
        uplink=None,
        buses=tuple({each.bus.name: each.bus for each in machines}.values()),
        machines=tuple(machines),
        cameras=(),
        clock=None,
    )
