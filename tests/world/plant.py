"""A Modbus TCP plant that misbehaves on request: a port for each machine, a ledger of every read, switchable faults.

    with Plant(machines=3) as plant:
        plant[0].registers.update(float32(52, 1500.0))
        plant[1].fault = Fault.HANG
        plant[0].ledger                      # every request, whole, with its unit

    python -m tests.world.plant --machines 100      # prints its ports as JSON and serves until its standard input ends

Any unit is answered unless `units` names them. Registers that were never set read as zero; those in `absent` are
refused with exception 2. No Modbus library here, so no bug is shared with what is tested.
"""

import argparse
import asyncio
import json
import struct
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

LEDGER_LIMIT = 100_000


class Fault(Enum):
    NONE = "none"
    HANG = "hang"
    LATE = "its answer when the next question has come"
    EXCEPTION = "exception"
    BUSY = "busy"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    WRONG_UNIT = "wrong unit"
    WRONG_FUNCTION = "wrong function"
    WRONG_LENGTH = "wrong length"
    STALE = "stale transaction id"
    TWICE = "twice"
    DRIPPING = "byte by byte"
    CLOSE = "close"


def float32(address: int, value: float) -> dict[int, int]:
    """Two registers, high word first."""
    return dict(zip((address, address + 1), struct.unpack(">HH", struct.pack(">f", value)), strict=True))


@dataclass(slots=True, kw_only=True)
class PlantMachine:
    registers: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    bits: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    absent: set[int] = field(default_factory=set)
    units: set[int] | None = None
    fault: Fault = Fault.NONE
    exception: int = 4
    counts_reads: bool = False
    """Whether registers 0 and 1 hold the number of this read, as a ledger inside the values."""
    answered: int = 0
    connections: int = 0
    port: int = 0
    ledger: list[bytes] = field(default_factory=list)

    def answer(self, request: bytes) -> bytes:
        """The right answer to a whole request."""
        unit, function, address, count = struct.unpack(">BBHH", request[6:12])
        if not 1 <= function <= 4:
            return self._frame(request, bytes((unit, function | 0x80, 1)))
        if any(at in self.absent for at in range(address, address + count)):
            return self._frame(request, bytes((unit, function | 0x80, 2)))
        self.answered += 1
        if self.counts_reads and address == 0:
            self.registers[0], self.registers[1] = divmod(self.answered, 0x10000)
        if function <= 2:
            bits = sum(self.bits.get(address + at, 0) << at for at in range(count))
            values = bits.to_bytes(-(-count // 8), "little")
        else:
            values = struct.pack(f">{count}H", *(self.registers.get(address + at, 0) for at in range(count)))
        return self._frame(request, bytes((unit, function, len(values))) + values)

    @staticmethod
    def _frame(request: bytes, rest: bytes) -> bytes:
        return request[:4] + struct.pack(">H", len(rest)) + rest


class Plant:
    """The machines, served by one thread."""

    def __init__(self, *, machines: int = 1) -> None:
        self._machines = [PlantMachine() for _ in range(machines)]
        self._alive: set[_Conversation] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plant")

    def __getitem__(self, number: int) -> PlantMachine:
        return self._machines[number]

    def __enter__(self) -> Self:
        self._thread.start()
        self._servers = [
            asyncio.run_coroutine_threadsafe(self._listen(machine), self._loop).result(10) for machine in self._machines
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for protocol in list(self._alive):
            protocol.transport.abort()
        await asyncio.sleep(0.01)

    async def _listen(self, machine: PlantMachine) -> asyncio.Server:
        server = await self._loop.create_server(lambda: _Conversation(machine, self._alive), "127.0.0.1", 0)
        machine.port = server.sockets[0].getsockname()[1]
        return server


class _Conversation(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, machine: PlantMachine, alive: "set[_Conversation]") -> None:
        self.machine, self.alive = machine, alive
        self.heard = self.held_back = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.machine.connections += 1
        self.alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's own name
        self.alive.discard(self)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        while len(self.heard) >= 6 and len(self.heard) >= (end := 6 + int.from_bytes(self.heard[4:6], "big")):
            request, self.heard = self.heard[:end], self.heard[end:]
            if len(self.machine.ledger) < LEDGER_LIMIT:
                self.machine.ledger.append(request)
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        machine = self.machine
        late, self.held_back = self.held_back, b""
        if late:
            self.transport.write(late)
        if machine.fault is Fault.CLOSE:
            self.transport.close()
        elif machine.fault is Fault.LATE:
            self.held_back = machine.answer(request)
        elif machine.units is None or request[6] in machine.units:
            for after_s, chunk in _said(machine, request):
                if after_s:
                    asyncio.get_running_loop().call_later(after_s, self.transport.write, chunk)
                else:
                    self.transport.write(chunk)


def _said(machine: PlantMachine, request: bytes) -> list[tuple[float, bytes]]:
    """What the machine says to a request: (seconds from now, bytes) one after the other."""
    match machine.fault:
        case Fault.HANG:
            return []
        case Fault.EXCEPTION | Fault.BUSY:
            code = 6 if machine.fault is Fault.BUSY else machine.exception
            return [(0, machine._frame(request, bytes((request[6], request[7] | 0x80, code))))]
    answer = machine.answer(request)
    match machine.fault:
        case Fault.TWICE:
            return [(0, answer), (0, answer)]
        case Fault.DRIPPING:
            return [(at * 0.001, answer[at : at + 1]) for at in range(len(answer))]
    return [(0, _spoilt(machine.fault, answer))]


def _spoilt(fault: Fault, answer: bytes) -> bytes:  # noqa: PLR0911  # a fault a line
    match fault:
        case Fault.GARBAGE:
            return b"\xff\x00\x13\x37" * 9
        case Fault.TRUNCATED:
            return answer[:-3]
        case Fault.WRONG_UNIT:
            return answer[:6] + bytes(((answer[6] + 1) % 256,)) + answer[7:]
        case Fault.WRONG_FUNCTION:
            return answer[:7] + bytes((answer[7] ^ 7,)) + answer[8:]
        case Fault.WRONG_LENGTH:
            longer = answer[6:8] + bytes((answer[8] + 2,)) + answer[9:] + b"\0\0"
            return PlantMachine._frame(answer, longer)
        case Fault.STALE:
            return struct.pack(">H", int.from_bytes(answer[:2], "big") - 1 & 0xFFFF) + answer[2:]
    return answer


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--machines", type=int, default=20)
    with Plant(machines=(machines := arguments.parse_args().machines)) as plant:
        for number in range(machines):
            plant[number].counts_reads = True
            plant[number].registers.update({at: at for at in range(2, 20)})
        print(json.dumps([plant[number].port for number in range(machines)]), flush=True)
        sys.stdin.read()
        print(json.dumps([plant[number].answered for number in range(machines)]), flush=True)


if __name__ == "__main__":
    main()
