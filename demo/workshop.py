"""The workshop's devices behind their real protocols, fed by curves.py at the box's own speed of time.

Four machines on one Modbus TCP gateway (units 1 to 4), a compressor on a gateway of its own that falls silent, a
knitting machine behind Modbus RTU on a pseudo-terminal; the sealed meter before them all on another one, by DL/T 645; a
hydrant's pressure behind Modbus TCP. Prints one JSON line when everything listens.
"""

import argparse
import asyncio
import json
import os
import struct
import sys
import tty
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from demo.curves import Curve, Meter, compressor, hydrant_kpa, idling, knitting, loom, moulding, texturing
from demo.machines import COVER_OPENED_S, PRESSURE_FELL_S, SILENT_FOR_S, whole
from demo.sealed_meter import SealedMeter
from edge_agent.clock import CatchUp, Clock, clock_of

BAUD: Final = 115_200
RELAY_BYTES: Final = 4096


class Ports(NamedTuple):
    """Where the Modbus TCP servers listen."""

    gateway: int
    compressor: int
    hydrant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where a device keeps a value, and how."""

    address: int
    words: Callable[[float, float], tuple[int, ...]]
    """(watts, watt-hours) to its registers."""


def _float32(value: float) -> tuple[int, ...]:
    return struct.unpack(">2H", struct.pack(">f", value))


def _int32(value: float) -> tuple[int, ...]:
    return struct.unpack(">2H", struct.pack(">i", round(value)))


SDM630: Final = (
    Register(address=0x0000, words=lambda w, _: _float32(231.0 - w / 100_000)),
    Register(address=0x0034, words=lambda w, _: _float32(w)),
    Register(address=0x0046, words=lambda _w, _wh: _float32(50.01)),
    Register(address=0x0048, words=lambda _, wh: _float32(wh / 1000)),
)
ADW300: Final = (
    Register(address=0x0014, words=lambda w, _: (round(2310 - w / 1000),)),
    Register(address=0x0024, words=lambda w, _: _int32(w)),
    Register(address=0x003E, words=lambda _, wh: _int32(wh / 10)),
)
SIZE: Final = 400

Words = dict[int, tuple[int, ...]]
"""Registers, by the address of the first."""


def device(unit: int, read: Callable[[], Words]) -> SimDevice:
    """A device whose registers are worked out anew at every question."""

    async def measure(
        _function: int, start: int, _address: int, _count: int, current: list[int], _set: object
    ) -> ExcCodes | None:
        for address, words in read().items():
            current[address - start : address - start + len(words)] = words
        return None

    return SimDevice(id=unit, simdata=[SimData(0, count=SIZE, values=0, datatype=DataType.REGISTERS)], action=measure)


def sub_meter(unit: int, curve: Curve, registers: tuple[Register, ...], clock: Clock) -> SimDevice:
    """One meter on its machine; every read finds the power of that instant."""
    meter = Meter(curve, clock.utc_ms() / 1000)

    def read() -> Words:
        watts, watt_hours = meter.read(clock.utc_ms() / 1000)
        return {register.address: register.words(watts, watt_hours) for register in registers}

    return device(unit, read)


def hydrant(unit: int, clock: Clock, fell_at_ms: int) -> SimDevice:
    """A transmitter with its pressure in register 0, in kPa."""
    return device(unit, lambda: {0: (round(hydrant_kpa(clock.utc_ms() / 1000, fell_at_s=fell_at_ms / 1000)),)})


def sealed_meter(loop: asyncio.AbstractEventLoop, clock: Clock, opened_at_ms: int) -> str:
    """The workshop's own meter on a pair of wires; the serial device at their other end."""
    meter = SealedMeter(Meter(whole, clock.utc_ms() / 1000), now_ms=clock.utc_ms, opened_at_ms=opened_at_ms)
    near, far = os.openpty()  # far stays open here too: a line that nobody has open is still a line
    tty.setraw(far)

    def answer() -> None:
        os.write(near, meter.hear(os.read(near, RELAY_BYTES)))

    loop.add_reader(near, answer)
    return os.ttyname(far)


def pty_pair(loop: asyncio.AbstractEventLoop) -> tuple[str, str]:
    """Two serial devices joined like the ends of a cable: what is written into one comes out of the other."""
    masters, names = [], []
    for _ in range(2):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        masters.append(master)
        names.append(os.ttyname(slave))

    def relay(from_: int, to: int) -> None:
        with suppress(OSError):  # a line with nobody at its end loses bytes, as a real one does
            os.write(to, os.read(from_, RELAY_BYTES))

    loop.add_reader(masters[0], relay, masters[0], masters[1])
    loop.add_reader(masters[1], relay, masters[1], masters[0])
    return names[0], names[1]


async def serve(clock: Clock, started_at_ms: int, host: str, ports: Ports) -> None:
    """Listen until cancelled."""
    silent_from_ms, opened_at_ms, fell_at_ms = (
        started_at_ms - ago_s * 1000 for ago_s in (SILENT_FOR_S, COVER_OPENED_S, PRESSURE_FELL_S)
    )

    def fall_silent(sending: bool, packet: bytes) -> bytes:  # noqa: FBT001 - pymodbus' shape
        return b"" if sending and clock.utc_ms() >= silent_from_ms else packet

    loop = asyncio.get_running_loop()
    ours, theirs = pty_pair(loop)
    gateway = [
        sub_meter(unit, curve, SDM630, clock) for unit, curve in enumerate((loom, texturing, moulding, idling), start=1)
    ]
    servers = [
        ModbusTcpServer(gateway, address=(host, ports.gateway)),
        ModbusTcpServer(
            sub_meter(1, compressor, SDM630, clock), address=(host, ports.compressor), trace_packet=fall_silent
        ),
        ModbusTcpServer(hydrant(1, clock, fell_at_ms), address=(host, ports.hydrant)),
        ModbusSerialServer(
            sub_meter(1, knitting, ADW300, clock), framer=FramerType.RTU, port=ours, baudrate=BAUD, timeout=1
        ),
    ]
    meter_line = sealed_meter(loop, clock, opened_at_ms)
    for server in servers:
        await server.serve_forever(background=True)
    print(json.dumps({"ready": True, "serial": theirs, "meter_line": meter_line}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """`python -m demo.workshop`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--ports", type=int, nargs=3, required=True, help="of gateway, compressor and hydrant")
    parser.add_argument("--started-at-ms", type=int, required=True)
    parser.add_argument("--back-s", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    args = parser.parse_args()
    clock = clock_of(CatchUp(started_at_ms=args.started_at_ms, back_ms=args.back_s * 1000, rate=args.rate))
    try:
        asyncio.run(serve(clock, args.started_at_ms, args.host, Ports(*args.ports)))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
