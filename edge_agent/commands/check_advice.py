"""What to look at first when a device does not answer as it should: one sentence a failure and kind of port."""

from typing import Final

from edge_agent.config.sections import AgentPort, ChipPort, Machine, Port, RecordingPort, SerialPort, TcpPort
from edge_agent.drivers.driver import Exchange
from evidence.bodies import Failure

_ANY: Final = {
    Failure.SILENT: "no byte came back; check the wiring, {line}, and that the device is {called}{factory}",
    Failure.GARBLED: "what came back is no answer to the question; check baud, parity, A and B, two devices alike",
    Failure.REFUSED: "the device does not give {missing}; check the profile, or leave them out of `points`",
    Failure.NO_VALUE: "the device answers, but has no value for {missing}",
    Failure.BUSY: "the device says it is busy; ask again",
    Failure.STRANGER: "{strange}; was it exchanged? `edge-agent identify --write` pins the one that is there now",
}
_OF: Final[dict[type[Port], dict[Failure, str]]] = {
    SerialPort: {
        Failure.LINE_DOWN: "{line} cannot be opened; is the adapter plugged in, and has no other program it open?",
    },
    TcpPort: {
        Failure.LINE_DOWN: "{line} cannot be reached; check the address, the cable and the firewall",
    },
    ChipPort: {
        Failure.LINE_DOWN: "{line} cannot be opened; is it there (`gpiodetect`), and may this user open it?",
        Failure.REFUSED: "{line} does not give {missing}: no such line, or another program has it (`gpioinfo`)",
        Failure.NO_VALUE: "{missing} counted more than a statement can carry; use fewer decimals",
    },
    AgentPort: {
        Failure.SILENT: "the agent took the question and said nothing; does it run, and is timeout_s long enough?",
        Failure.LINE_DOWN: "{line} cannot be reached; check the address, the cable and the firewall",
        Failure.GARBLED: "what came back is no answer of an MTConnect agent; look at it in a browser: {line}",
        Failure.REFUSED: "the agent does not have the device, or not just one of {missing}; look at its /probe",
        Failure.NO_VALUE: "the agent says UNAVAILABLE, or a word that the profile does not have, for {missing}",
    },
    RecordingPort: {
        Failure.SILENT: "{line} has no readings",
        Failure.LINE_DOWN: "{line} cannot be read, or its name ends neither in .jsonl nor in .csv",
        Failure.GARBLED: "the first lines of {line} mean nothing; docs/recordings.md says what may stand there",
        Failure.NO_VALUE: "the recording has no value for {missing}",
    },
}


def advice(machine: Machine, exchange: Exchange) -> str:
    """What to look at first, for an exchange that failed."""
    port, failure = machine.bus.port, exchange.failure
    words = _OF[type(port)].get(failure) or _ANY.get(failure) if failure else None
    left = machine.profile.serial if isinstance(port, SerialPort) else None
    named = zip(machine.points, exchange.values, strict=True)
    return (words or "not asked").format(
        strange="; ".join(event.says for event in exchange.events),
        line=port,
        called=called(machine),
        factory=f" (it leaves the factory at {left.baud} baud, 8{left.parity.value}{left.stopbits})" if left else "",
        missing=", ".join(point.name for point, value in named if value is None),
    )


def answers(machine: Machine) -> str:
    """What there is to say of an exchange without a failure."""
    return "plays; this is no measurement" if isinstance(machine.bus.port, RecordingPort) else "answers"


def called(machine: Machine) -> str:
    """How a person finds the device on its bus."""
    match machine.bus.port:
        case ChipPort():
            return f"lines from {machine.unit}"
        case AgentPort():
            return f"device {machine.unit}" if machine.unit else "the device of the url"
        case RecordingPort():
            return "recorded"
    return f"{'unit' if isinstance(machine.unit, int) else 'address'} {machine.unit}"


def is_hardware(machine: Machine, exchange: Exchange) -> bool:
    """Whether it is this box's own port that fails."""
    return exchange.failure is Failure.LINE_DOWN and isinstance(machine.bus.port, SerialPort | ChipPort)
