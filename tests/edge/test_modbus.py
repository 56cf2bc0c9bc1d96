import ast
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer

import edge_agent
from edge_agent.config.profiles import Function
from edge_agent.drivers import modbus
from edge_agent.drivers.modbus import Answer, Line, NoAnswer, Question, find_rtu, line_of, question
from edge_agent.drivers.modbus_plan import Block
from evidence.bodies import Failure
from tests.world.buses import rtu, rtu_over_tcp, tcp
from tests.world.plant import Fault, Plant
from tests.world.rs485 import Noise, Rs485, crc16
from tests.world.serial_server import Manner, SerialServer

PACKAGE = Path(edge_agent.__file__).parent
LATEST_S = 5
"""Nothing here is waited for as long."""
HOLDING = Block(function=Function.HOLDING_REGISTERS, address=10, count=3, points=(0,))


@contextmanager
def opened(line: Line) -> Iterator[Line]:
    assert line.open() is None
    try:
        yield line
    finally:
        line.close()


# It can only read.


@pytest.mark.parametrize("code", [code for code in range(256) if code not in {1, 2, 3, 4}])
def test_no_question_can_be_built_with_a_function_that_does_anything_but_read(code: int) -> None:
    forged = replace(HOLDING, function=code)  # type: ignore[arg-type]
    for bus in (tcp(1), rtu("/dev/null"), rtu_over_tcp(1)):
        with pytest.raises(ValueError, match="Function"):
            question(bus, 1, forged)


def test_a_forged_question_does_not_leave_the_box() -> None:
    with Plant() as plant, Rs485(units=(1,)) as wire, Rs485(units=(1,)) as far, SerialServer(far.device) as server:
        for bus, at in ((tcp(plant[0].port), 7), (rtu(wire.device), 1), (rtu_over_tcp(server.port), 1)):
            with opened(line_of(bus)) as line:
                honest = question(bus, 1, HOLDING)
                forged = replace(honest, adu=honest.adu[:at] + b"\x06" + honest.adu[at + 1 :])
                with pytest.raises(ValueError, match="Function"):
                    line.ask(forged)
        time.sleep(0.1)  # a question would be there by then
        assert plant[0].ledger == []
        assert wire[1].asked == far[1].asked == 0


@given(
    function=st.sampled_from(Function),
    unit=st.integers(0, 255),
    address=st.integers(0, 0xFFFF),
    count=st.integers(1, 125),
)
def test_every_question_is_a_read_of_exactly_what_was_planned(
    function: Function, unit: int, address: int, count: int
) -> None:
    block = Block(function=function, address=address, count=min(count, 0x10000 - address), points=(0,))
    pdu = bytes((function,)) + block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
    sent = bytes((unit,)) + pdu
    assert question(tcp(1), unit, block).adu[6:] == sent
    assert question(rtu("/dev/null"), unit, block).adu == sent + crc16(sent)
    assert question(rtu_over_tcp(1), unit, block).adu == sent + crc16(sent)


def test_only_one_file_knows_pymodbus_and_it_names_no_call_that_writes() -> None:
    importing: dict[str, set[str]] = {"pymodbus": set(), "serial": set()}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for library in {name.split(".")[0] for name in names} & importing.keys():
                importing[library].add(file.name)
    assert importing == {"pymodbus": {"modbus.py"}, "serial": {"serial_line.py"}}
    door = ast.parse((PACKAGE / "drivers" / "modbus.py").read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(door) if isinstance(node, ast.Attribute)}
    named |= {alias.name for node in ast.walk(door) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not [name for name in named if "write" in name.lower() or name in {"execute", "convert_to_registers"}]


# Modbus TCP


def test_a_real_pymodbus_server_is_read() -> None:
    with pymodbus_server({10: 111, 11: 222, 12: 333}) as port, opened(line_of(tcp(port, timeout_ms=2000))) as line:
        answer = line.ask(question(tcp(port), 1, HOLDING))
        assert isinstance(answer, Answer)
        assert answer.values == bytes.fromhex("006f 00de 014d")
        beyond = line.ask(question(tcp(port), 1, replace(HOLDING, address=60000)))
        assert isinstance(beyond, NoAnswer)
        assert (beyond.failure, beyond.exception) == (Failure.REFUSED, 2)


@contextmanager
def pymodbus_server(registers: dict[int, int]) -> Iterator[int]:
    started: list[ModbusTcpServer] = []
    ready = threading.Event()

    async def serve() -> None:
        values = [registers.get(at, 0) for at in range(200)]
        device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, values))  # type: ignore[no-untyped-call]
        server = ModbusTcpServer(ModbusServerContext(devices=device, single=True), address=("127.0.0.1", 0))
        await server.listen()
        started.append(server)
        ready.set()
        await server.serving

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield started[0].transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        closing = started[0].shutdown()  # type: ignore[no-untyped-call]
        asyncio.run_coroutine_threadsafe(closing, loop).result(10)
        thread.join()
        loop.close()


TCP_FAULTS = [
    (Fault.HANG, Failure.SILENT, None),
    (Fault.EXCEPTION, Failure.REFUSED, 4),
    (Fault.BUSY, Failure.BUSY, 6),
    (Fault.GARBAGE, Failure.GARBLED, None),
    (Fault.TRUNCATED, Failure.GARBLED, None),
    (Fault.WRONG_UNIT, Failure.GARBLED, None),
    (Fault.WRONG_FUNCTION, Failure.GARBLED, None),
    (Fault.WRONG_LENGTH, Failure.GARBLED, None),
    (Fault.STALE, Failure.GARBLED, None),
    (Fault.CLOSE, Failure.LINE_DOWN, None),
]


@pytest.mark.parametrize(("fault", "failure", "exception"), TCP_FAULTS)
def test_whatever_a_tcp_device_does_wrong_it_is_named_and_the_next_answer_is_right(
    fault: Fault, failure: Failure, exception: int | None
) -> None:
    with Plant() as plant, opened(line_of(tcp(plant[0].port, timeout_ms=400))) as line:
        plant[0].registers.update({10: 1, 11: 2, 12: 3})
        what = question(tcp(1), 1, HOLDING)
        plant[0].fault = fault
        began = time.monotonic()
        answer = line.ask(what)
        assert isinstance(answer, NoAnswer)
        assert (answer.failure, answer.exception) == (failure, exception)
        assert answer.frame[0][7:] == what.adu[7:]
        assert time.monotonic() - began < LATEST_S
        plant[0].fault = Fault.NONE
        assert line.open() is None
        good = line.ask(what)
        assert isinstance(good, Answer)
        assert good.values == bytes.fromhex("0001 0002 0003")
        assert good.frame[1].endswith(good.values)


@pytest.mark.parametrize("fault", [Fault.TWICE, Fault.DRIPPING])
def test_an_answer_in_pieces_or_twice_is_still_one_answer(fault: Fault) -> None:
    with Plant() as plant, opened(line_of(tcp(plant[0].port))) as line:
        plant[0].counts_reads = True
        plant[0].fault = fault
        what = question(tcp(1), 1, Block(function=Function.HOLDING_REGISTERS, address=0, count=2, points=(0,)))
        heard = [line.ask(what) for _ in range(5)]
        assert [int.from_bytes(answer.values, "big") for answer in heard if isinstance(answer, Answer)] == [
            1,
            2,
            3,
            4,
            5,
        ]


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    with Plant() as plant, opened(line_of(tcp(plant[0].port, timeout_ms=400))) as line:
        plant[0].counts_reads = True
        plant[0].fault = Fault.LATE
        what = question(tcp(1), 1, Block(function=Function.HOLDING_REGISTERS, address=0, count=2, points=(0,)))
        assert isinstance(line.ask(what), NoAnswer)
        plant[0].fault = Fault.NONE
        answer = line.ask(what)
        assert isinstance(answer, Answer)
        assert int.from_bytes(answer.values, "big") == 2


def test_a_connection_that_stays_silent_is_made_anew() -> None:
    with Plant() as plant:
        line = line_of(tcp(plant[0].port, timeout_ms=250))
        plant[0].fault = Fault.HANG
        for _ in range(4):
            assert line.open() is None
            line.ask(question(tcp(1), 1, HOLDING))
        line.close()
        assert plant[0].connections == 2


def test_a_port_where_nobody_listens_is_a_line_that_is_down() -> None:
    with Plant() as plant:
        port = plant[0].port
    line = line_of(tcp(port))
    assert line.open() is Failure.LINE_DOWN
    answer = line.ask(question(tcp(1), 1, HOLDING))
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.LINE_DOWN


def test_coils_and_inputs_are_read() -> None:
    with Plant() as plant, opened(line_of(tcp(plant[0].port))) as line:
        plant[0].bits.update({5: 1, 7: 1, 13: 1})
        block = Block(function=Function.DISCRETE_INPUTS, address=5, count=9, points=(0,))
        answer = line.ask(question(tcp(1), 1, block))
        assert isinstance(answer, Answer)
        assert answer.values == bytes((0b00000101, 0b1))


# Modbus RTU


RTU_NOISE = [
    (Noise.NONE, None),
    (Noise.WRAPPED, None),
    (Noise.GLITCH, None),
    (Noise.TWICE, None),
    (Noise.STAMMERS, None),
    (Noise.DEAD, Failure.SILENT),
    (Noise.BAD_CRC, Failure.GARBLED),
    (Noise.WRONG_UNIT, Failure.GARBLED),
    (Noise.WRONG_LENGTH, Failure.GARBLED),
    (Noise.SHORT, Failure.GARBLED),
    (Noise.CHATTER, Failure.GARBLED),
    (Noise.TRUNCATED, Failure.GARBLED),
    (Noise.BUSY, Failure.BUSY),
]


@pytest.mark.parametrize(("noise", "failure"), RTU_NOISE)
@pytest.mark.parametrize("echoes", [False, True])
def test_whatever_a_serial_unit_does_wrong_it_is_named_and_the_next_answer_is_right(
    noise: Noise, failure: Failure | None, *, echoes: bool
) -> None:
    with Rs485(units=(1, 2), baud=19200, echoes=echoes) as wire, opened(line_of(rtu(wire.device))) as line:
        wire[1].registers.update({10: 1, 11: 2, 12: 3})
        wire[1].fault = noise
        answer = line.ask(what := question(rtu(""), 1, HOLDING))
        assert (None if isinstance(answer, Answer) else answer.failure) is failure
        wire[1].fault = Noise.NONE
        for _ in range(2):
            good = line.ask(what)
            assert isinstance(good, Answer)
            assert good.values == bytes.fromhex("0001 0002 0003")


@pytest.mark.parametrize(("noise", "failure"), RTU_NOISE)
def test_behind_a_serial_server_a_unit_does_the_same_things_wrong(noise: Noise, failure: Failure | None) -> None:
    with (
        Rs485(units=(1, 2), baud=115200) as wire,
        SerialServer(wire.device) as server,
        opened(line_of(bus := rtu_over_tcp(server.port, timeout_ms=400))) as line,
    ):
        wire[1].registers.update({10: 1, 11: 2, 12: 3})
        wire[1].fault = noise
        answer = line.ask(what := question(bus, 1, HOLDING))
        assert (None if isinstance(answer, Answer) else answer.failure) is failure
        wire[1].fault = Noise.NONE
        for _ in range(2):
            good = line.ask(what)
            assert isinstance(good, Answer)
            assert good.values == bytes.fromhex("0001 0002 0003")


SERVERS = [
    (Manner.CLEAR, None, 1),
    (Manner.DRIPS, None, 1),
    (Manner.DOUBLES, None, 1),
    (Manner.MUTE, Failure.SILENT, 1),
    (Manner.RESETS, Failure.LINE_DOWN, 2),
]


@pytest.mark.parametrize(("manner", "failure", "connections"), SERVERS)
def test_whatever_a_serial_server_does_wrong_the_line_is_read_again_when_it_is_right(
    manner: Manner, failure: Failure | None, connections: int
) -> None:
    with (
        Rs485(units=(1,), baud=115200) as wire,
        SerialServer(wire.device) as server,
        opened(line_of(bus := rtu_over_tcp(server.port, timeout_ms=400))) as line,
    ):
        wire[1].registers.update({10: 1, 11: 2, 12: 3})
        server.fault = manner
        for _ in range(2):
            answer = line.ask(what := question(bus, 1, HOLDING))
            if failure is Failure.LINE_DOWN:
                break
        assert (None if isinstance(answer, Answer) else answer.failure) is failure
        server.fault = Manner.CLEAR
        assert line.open() is None
        good = line.ask(what)
        assert isinstance(good, Answer)
        assert good.values == bytes.fromhex("0001 0002 0003")
        assert server.connections == connections


def test_a_serial_server_that_starts_anew_is_a_line_that_is_down_and_opens_again() -> None:
    with (
        Rs485(units=(1,), baud=115200) as wire,
        SerialServer(wire.device) as server,
        opened(line_of(bus := rtu_over_tcp(server.port))) as line,
    ):
        what = question(bus, 1, HOLDING)
        assert isinstance(line.ask(what), Answer)
        server.reset()
        answer = line.ask(what)
        assert isinstance(answer, NoAnswer)
        assert answer.failure is Failure.LINE_DOWN
        assert line.open() is None
        assert isinstance(line.ask(what), Answer)


def test_a_connection_to_a_serial_server_that_says_nothing_for_long_is_made_anew() -> None:
    with Rs485(units=(1,), baud=115200) as wire, SerialServer(wire.device) as server:
        line = line_of(bus := rtu_over_tcp(server.port, timeout_ms=250))
        server.fault = Manner.MUTE
        for _ in range(4):
            assert line.open() is None
            line.ask(question(bus, 1, HOLDING))
        line.close()
        assert server.connections == 2


def test_an_acknowledge_is_busy_too() -> None:
    with Plant() as plant, opened(line_of(tcp(plant[0].port))) as line:
        plant[0].fault, plant[0].exception = Fault.EXCEPTION, 5
        answer = line.ask(question(tcp(1), 1, HOLDING))
        assert isinstance(answer, NoAnswer)
        assert (answer.failure, answer.exception) == (Failure.BUSY, 5)


@pytest.mark.parametrize("far", [False, True])
def test_a_late_serial_answer_is_not_taken_for_the_next_units(*, far: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus, "IDLE_S", 1.0)  # between the late answer and the right one this computer may be busy
    with Rs485(units=(1, 2), baud=115200) as wire, ExitStack() as stack:
        port = stack.enter_context(SerialServer(wire.device)).port if far else 0
        bus = rtu_over_tcp(port, timeout_ms=400) if far else rtu(wire.device, timeout_ms=400)
        with opened(line_of(bus)) as line:
            wire[1].fault = Noise.LATE
            wire[1].registers[10], wire[2].registers[10] = 1, 2
            assert isinstance(line.ask(question(bus, 1, HOLDING)), NoAnswer)
            answer = line.ask(question(bus, 2, HOLDING))
            assert isinstance(answer, Answer)
            assert answer.values[:2] == b"\x00\x02"


def test_an_adapter_that_is_pulled_out_is_a_line_that_is_down() -> None:
    with Rs485(units=(1,)) as wire:
        line = line_of(rtu(wire.device))
        assert line.open() is None
        wire.unplug()
        answer = line.ask(question(rtu(""), 1, HOLDING))
        assert isinstance(answer, NoAnswer)
        assert answer.failure is Failure.LINE_DOWN
        assert line.open() is Failure.LINE_DOWN


@given(noise=st.binary(max_size=60), tail=st.binary(max_size=20))
def test_a_sound_frame_is_found_in_any_noise(noise: bytes, tail: bytes) -> None:
    what = question(rtu("/dev/null"), 1, HOLDING)
    frame = bytes((1, 3, 6, 0, 1, 0, 2, 0, 3))
    frame += crc16(frame)
    found = find_rtu(noise + frame + tail, what)
    assert found == frame or (crc16(found[:-2]) == found[-2:] and found[0] == 1)


@given(noise=st.binary(max_size=80))
def test_noise_without_a_sound_frame_is_no_answer(noise: bytes) -> None:
    what: Question = question(rtu("/dev/null"), 1, HOLDING)
    found = find_rtu(noise, what)
    assert found == b"" or (crc16(found[:-2]) == found[-2:] and found[0] == 1 and found[1] in {3, 0x83})
