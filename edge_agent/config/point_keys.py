"""The keys that a point may have in a profile or in box.toml, by what its device speaks (docs/profiles.md)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Final

from edge_agent.codecs.mtconnect import Category
from edge_agent.config.plc import PLCS
from edge_agent.config.points import (
    UNITS,
    Bias,
    ByteOrder,
    Function,
    PointKind,
    PointType,
    Protocol,
    WordOrder,
)
from edge_agent.config.schema import (
    Choice,
    Flag,
    Key,
    ListOf,
    Near,
    Text,
    UnfitError,
    Whole,
    shown,
)

WORDS_LIMIT: Final = 64
"""Words of one state."""


@dataclass(frozen=True, slots=True)
class _Factor:
    """An exact factor other than 0."""

    wanted: str = 'a number other than 0 between -1000000 and 1000000, or a fraction such as "1/3600"'

    def take(self, found: object, near: Near) -> Fraction:
        """See schema.Kind."""
        del near
        if isinstance(found, str) and re.fullmatch(r"-?[1-9][0-9]{0,6}/[1-9][0-9]{0,6}", found):
            return Fraction(found)
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise UnfitError(shown(found))
        factor = Decimal(found)
        if not factor.is_finite() or not 0 < abs(factor) <= 1_000_000:  # noqa: PLR2004
            raise UnfitError(shown(found))
        return Fraction(factor)


@dataclass(frozen=True, slots=True)
class _Pulse:
    """What one pulse is worth, as the meter's plate says it: an amount, its unit, and of how many pulses."""

    wanted: str = 'what pulses are worth, such as "1 kWh/1000", "10 L" or "1"'

    def take(self, found: object, near: Near) -> tuple[Fraction, str | None]:
        """See schema.Kind. The unit is None where it is the point's."""
        del near
        fits = _PULSE.fullmatch(found) if isinstance(found, str) else None
        if fits is None:
            raise UnfitError(shown(found))
        amount = Fraction(fits[1])
        if not 0 < amount <= 1_000_000:  # noqa: PLR2004
            raise UnfitError(shown(found))
        return amount / int(fits[3] or 1), fits[2]


_PULSE: Final = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)(?: ([A-Za-z][A-Za-z0-9]{0,4}))?(?:/([1-9][0-9]{0,6}))?")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a chip."""

    wanted: str = "a whole number from 0 to 1023, or the name of a line"

    def take(self, found: object, near: Near) -> int | str:
        """See schema.Kind."""
        number, name = Whole(0, 1023), Text(pattern=re.compile(r"[^\s]{1,40}"))
        return name.take(found, near) if isinstance(found, str) else number.take(found, near)


@dataclass(frozen=True, slots=True)
class _Words:
    """What words count as."""

    wanted: str = f"a table of 1 to {WORDS_LIMIT} words, each with a whole number from 0 to 65535"

    def take(self, found: object, near: Near) -> tuple[tuple[str, int], ...]:
        """See schema.Kind."""
        if not isinstance(found, dict) or not 1 <= len(found) <= WORDS_LIMIT:
            raise UnfitError(shown(found))
        word, number = Text(pattern=re.compile(r".{1,40}")), Whole(0, 0xFFFF)
        return tuple((word.take(key, near), number.take(value, near)) for key, value in found.items())


def choice_of(options: Iterable[Enum]) -> Choice:
    """The members of an enum by their values."""
    return Choice({option.value: option for option in options})


def _hexadecimal(digits: int) -> Text:
    """So many capital hexadecimal digits."""
    return Text(f"{digits} digits of 0 to 9 and A to F", re.compile(f"[0-9A-F]{{{digits}}}"))


NAME: Final = Text("a name of a to z, 0 to 9 and _, at most 40 long", re.compile(r"[a-z][a-z0-9_]{0,39}"))

PLC: Final = Choice({name: name for name in PLCS})

POINT: Final = (
    Key(name="name", kind=NAME),
    Key(name="unit", kind=Choice({unit: unit for unit in UNITS})),
    Key(name="decimals", kind=Whole(0, 9)),
    Key(name="kind", kind=choice_of(PointKind)),
    Key(name="modulus", kind=Whole(2, 1 << 63), default=None),
    Key(name="witness", kind=Flag(), default=False),
    Key(name="clock", kind=Flag(), default=False),
)
_REGISTER: Final = Text("a PLC's register such as D100, M0 or X17", re.compile(r"[A-Z]{1,3}[0-9]{1,5}(\.[0-7])?"))
REGISTER: Final = (
    *POINT,
    Key(name="address", kind=Whole(0, 0xFFFF), default=None),
    Key(name="register", kind=_REGISTER, default=None),
    Key(name="type", kind=choice_of(PointType)),
    Key(name="bits", kind=ListOf(Whole(0, 15), 1, 2), default=None),
    Key(name="scale", kind=_Factor(), default=1),
    Key(name="function", kind=choice_of(Function), default=None),
    Key(name="word_order", kind=choice_of(WordOrder), default=None),
    Key(name="byte_order", kind=choice_of(ByteOrder), default=None),
    Key(name="sentinels", kind=ListOf(Whole(0, (1 << 64) - 1), 1, 16), default=None),
    Key(name="identity", kind=Flag(), default=False),
)


_ELEMENT: Final = Key(name="element", kind=Whole(1, 64), default=None)
_SCALE: Final = Key(name="scale", kind=_Factor(), default=1)
_DIGITS: Final = (
    Key(name="digits", kind=Text("X for a digit, as in XXXXXX.XX", re.compile(r"X{1,12}(\.X{1,8})?")), default=None),
    Key(name="signed", kind=Flag(), default=False),
    _SCALE,
)
ITEMS: Final = {
    Protocol.DLT645_2007: (*POINT, Key(name="di", kind=_hexadecimal(8), inside="item"), _ELEMENT, *_DIGITS),
    Protocol.DLT645_1997: (*POINT, Key(name="di", kind=_hexadecimal(4), inside="item"), _ELEMENT, *_DIGITS),
    Protocol.DLT698_45: (*POINT, Key(name="oad", kind=_hexadecimal(8), inside="item"), _ELEMENT, _SCALE),
}
"""The keys of a point where the protocol numbers what can be asked."""
COMPONENT: Final = (
    *POINT,
    Key(name="system_type", kind=Whole(0, 255), default=None),
    Key(name="system_address", kind=Whole(0, 255), default=None),
    Key(name="component_type", kind=Whole(0, 255), default=None),
    Key(name="component_address", kind=_hexadecimal(8), default=None),
    Key(name="analogue", kind=Whole(1, 255), default=None),
    Key(name="scale", kind=_Factor(), default=None),
)
"""The keys of a point of a fire alarm transmitter."""
INPUT: Final = (
    *POINT,
    Key(name="line", kind=_Line()),
    Key(name="active_low", kind=Flag(), default=False),
    Key(name="bias", kind=choice_of(Bias), default="as_is"),
    Key(name="debounce_ms", kind=Whole(0, 1000), default=None),
    Key(name="pulse", kind=_Pulse(), default=None),
)
"""The keys of a digital input."""
DATA_ITEM: Final = (
    *POINT,
    Key(name="category", kind=choice_of(Category)),
    Key(name="data_item", kind=Text(), default=None),
    Key(name="type", kind=Text("a type such as EXECUTION", re.compile(r"[A-Z][A-Z0-9_]{0,59}")), default=None),
    Key(name="sub_type", kind=Text("a sub-type such as ACTUAL", re.compile(r"[A-Z][A-Z0-9_]{0,59}")), default=None),
    Key(name="states", kind=_Words(), default=None),
    Key(name="scale", kind=_Factor(), default=1),
)
"""The keys of a data item of MTConnect."""
