"""What bytes that are no answer tell an installer. Pure.

Nothing at all is a wire, a port or a power supply. Bytes without a frame are A and B exchanged, or another rate. Frames
whose check is wrong are two devices that speak at once, or another parity. Bytes that nobody asked for are another
master.
"""

from dataclasses import dataclass, field
from enum import Enum

from edge_agent.config.sections import BusKind

NOISE_BYTES = 4
"""So few bytes are a glitch, as when a driver is switched on."""


class Sound(Enum):
    """What was heard instead of an answer."""

    NOTHING = "nothing"
    NOISE = "noise"
    BROKEN = "a frame whose check is wrong"


def sound_of(kind: BusKind, unit: int | str, heard: bytes) -> Sound:
    """What it is that answered a question of this kind without a sound frame."""
    heard = heard.strip(b"\0\xff")
    if len(heard) < NOISE_BYTES:
        return Sound.NOTHING
    if kind in (BusKind.MODBUS_RTU, BusKind.MODBUS_TCP):
        broken = heard[0] == unit and heard[1] & 0x7F in (1, 2, 3, 4)
    elif kind is BusKind.DLT698_45:
        broken = any(heard[at + 3 : at + 4] == b"\xc3" for at in _starts(heard))
    else:
        broken = b"\xfe\xfe" in heard or any(heard[at + 7 : at + 8] == b"\x68" for at in _starts(heard))
    return Sound.BROKEN if broken else Sound.NOISE


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was heard at one place."""

    name: str
    is_serial: bool
    closed: str | None = None
    """Why it could not be opened."""
    asked: int = 0
    answered: int = 0
    unasked_bytes: int = 0
    noise_bytes: int = 0
    noisy: list[str] = field(default_factory=list)
    """Settings at which there was noise, once each."""
    broken: list[str] = field(default_factory=list)
    """Who seems to have answered in frames whose check is wrong, once each."""
    crowded: list[str] = field(default_factory=list)
    """Wildcards to which several answered at once."""
    gateway: bool = False
    also_open: tuple[str, ...] = ()
    """Other programs that have the port open."""

    def add(self, sound: Sound, *, octets: int, settings: str, who: str) -> None:
        """Note what one question brought instead of an answer."""
        if sound is Sound.BROKEN:
            _note(self.broken, f"{who} at {settings}")
        if sound is not Sound.NOTHING:
            self.noise_bytes += octets
            _note(self.noisy, settings)


_SHOWN = 6
_KEPT = 100


def hints_of(tally: Tally) -> tuple[str, ...]:
    """What to look at, the most telling first; empty where all is as it should be."""
    if tally.closed is not None:
        return (f"{tally.name} was not asked: {tally.closed}.",)
    hints = []
    if tally.unasked_bytes > NOISE_BYTES:
        hints.append(
            f"{tally.name}: {tally.unasked_bytes} bytes came before anything was asked. Another master asks on this "
            "line, or it picks up noise: take the other master off, two spoil each other's answers."
        )
    if tally.broken:
        hints.append(
            f"{tally.name}: answers whose check is wrong from {_listed(tally.broken)}. Two devices with one address, "
            "another parity, or a line without its 120 ohms at both ends."
        )
    if tally.crowded:
        hints.append(
            f"{tally.name}: several meters answered at once. `--full` parts them by their addresses; or give the "
            "addresses off their plates with `--address`."
        )
    if tally.asked and not tally.answered:
        hints += _dead(tally)
    return tuple(hints)


def _dead(tally: Tally) -> list[str]:
    if tally.gateway:
        return [f"{tally.name}: the gateway answers, but nobody behind it does: look at the line behind it."]
    if tally.noise_bytes and not tally.broken:
        said = f"{tally.noise_bytes} bytes came back, and no frame among them ({_listed(tally.noisy)})."
        return [f"{tally.name}: {said} Exchange the wires A and B; then try `--full` for other rates."]
    if tally.noise_bytes:
        return []
    if tally.is_serial:
        others = f" Also open in {', '.join(tally.also_open)}: it may take the answers." if tally.also_open else ""
        return [f"{tally.name}: not one byte came back to {tally.asked} questions. {DEAD_LINE}{others}"]
    return [f"{tally.name}: the connection is accepted, and nothing answers {tally.asked} questions. {_DEAD_HOST}"]


DEAD_LINE = (
    "Is the device powered; are both wires on RS-485 A and B, not on a pulse output; is this the port? "
    "Then exchange A and B, then try `--full`."
)
_DEAD_HOST = "Is it the right port; has the device another client already? Small ones take one at a time."


def _starts(heard: bytes) -> list[int]:
    return [at for at, octet in enumerate(heard) if octet == 0x68]  # noqa: PLR2004  the start of every DL/T frame


def _note(notes: list[str], what: str) -> None:
    if what not in notes and len(notes) < _KEPT:
        notes.append(what)


def _listed(notes: list[str]) -> str:
    more = f" and {len(notes) - _SHOWN} more" if len(notes) > _SHOWN else ""
    return ", ".join(notes[:_SHOWN]) + more
