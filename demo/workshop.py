"""Six machines behind real Modbus: a pymodbus server for each line, fed by curves.py at the box's own speed of time.

Four on one Modbus TCP gateway (units 1 to 4), a compressor on a gateway of its own that falls silent, a knitting
machine behind Modbus RTU on a pseudo-terminal. Prints one JSON line when everything listens.
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
from typing import Final

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from demo.curves import Curve, Meter, compressor, idling, knitting, loom, moulding, texturing
from edge_agent.clock import CatchUp, Clock, clock_of

BAUD: Final = 115_200
RELAY_BYTES: Final = 4096


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


def device(unit: int, curve: Curve, registers: tuple[Register, ...], clock: Clock) -> SimDevice:
    """One meter on its machine; every read finds the power of that instant."""
    meter = Meter(curve, clock.utc_ms() / 1000)

    async def measure(
        _function: int, start: int, _address: int, _count: int, current: list[int], _set: object
    ) -> ExcCodes | None:
        watts, watt_hours = meter.read(clock.utc_ms() / 1000)
        for register in registers:
            for i, word in enumerate(register.words(watts, watt_hours)):
                current[register.address + i - start] = word
        return None

    return SimDevice(id=unit, simdata=[SimData(0, count=SIZE, values=0, datatype=DataType.REGISTERS)], action=measure)


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


async def serve(clock: Clock, silent_from_ms: int, host: str, ports: tuple[int, int]) -> None:
    """Listen until cancelled."""

    def fall_silent(sending: bool, packet: bytes) -> bytes:  # noqa: FBT001 - pymodbus' shape
        return b"" if sending and clock.utc_ms() >= silent_from_ms else packet

    ours, theirs = pty_pair(asyncio.get_running_loop())
    gateway = [
        device(unit, curve, SDM630, clock) for unit, curve in enumerate((loom, texturing, moulding, idling), start=1)
    ]
    servers = [
        ModbusTcpServer(gateway, address=(host, ports[0])),
        ModbusTcpServer(device(1, compressor, SDM630, clock), address=(host, ports[1]), trace_packet=fall_silent),
        ModbusSerialServer(
            device(1, knitting, ADW300, clock), framer=FramerType.RTU, port=ours, baudrate=BAUD, timeout=1
        ),
    ]
    for server in servers:
        await server.serve_forever(background=True)
    print(json.dumps({"ready": True, "serial": theirs}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """`python -m demo.workshop`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--ports", type=int, nargs=2, required=True, help="of the gateway and of the compressor")
    parser.add_argument("--started-at-ms", type=int, required=True)
    parser.add_argument("--back-s", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--silent-from-ms", type=int, required=True)
    args = parser.parse_args()
    clock = clock_of(CatchUp(started_at_ms=args.started_at_ms, back_ms=args.back_s * 1000, rate=args.rate))
    try:
        asyncio.run(serve(clock, args.silent_from_ms, args.host, tuple(args.ports)))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
