"""An answer that some breakers sold in China give to function 4: DL/T 645's decimal digits, low byte first, in Modbus.

Its byte count is odd, 89, whatever was asked, so no Modbus library reads it. The layout is the maker's, as quoted in
github:zengfr/easymodbus4j, issue 2: voltages XXX.X, currents XXX.XXX, powers XX.XXXX and power factors X.XXX whose
highest bit is a sign, energies XXXXXX.XX, temperatures XXX.X, the clock as second to year.
"""

from typing import Any, Final

_PHASES: Final = ("a", "b", "c")
_ALL: Final = ("total", *_PHASES)

LAYOUT: Final = (
    *((f"voltage_{phase}_V", 2, 1) for phase in _PHASES),
    *((f"current_{phase}_A", 3, 3) for phase in (*_PHASES, "residual")),
    *((f"power_{phase}_kW", 3, 4) for phase in _ALL),
    *((f"reactive_power_{phase}_kvar", 3, 4) for phase in _ALL),
    *((f"power_factor_{phase}", 2, 3) for phase in _ALL),
    ("energy_forward_kWh", 4, 2),
    *((f"energy_forward_t{tariff}_kWh", 4, 2) for tariff in range(1, 5)),
    ("events", 3, 0),
    *((f"temperature_{place}_degC", 2, 1) for place in (*_PHASES, "neutral", "ambient")),
    ("clock", 6, 0),
)
"""(name, bytes, decimals) in the answer's order."""
_SIGNED: Final = ("power_", "reactive_power_")
_BYTES: Final = sum(size for _, size, _ in LAYOUT)


def describe_bcd(values: bytes) -> dict[str, Any]:
    """The named values as decimal texts, None where the device has none; nothing when the answer is of another kind."""
    if len(values) != _BYTES:
        return {}
    told: dict[str, Any] = {"nonstandard_bcd_le": True}
    at = 0
    for name, size, decimals in LAYOUT:
        field, at = values[at : at + size], at + size
        if name == "events":
            told[name] = field[::-1].hex()
        elif name == "clock":
            told[name] = _clock(field)
        else:
            told[name] = _number(field, decimals, signed=name.startswith(_SIGNED))
    return told


def _number(field: bytes, decimals: int, *, signed: bool) -> str | None:
    octets = field[::-1]
    minus = signed and octets[0] & 0x80
    digits = (bytes((octets[0] & 0x7F,)) + octets[1:] if minus else octets).hex()
    if not digits.isdecimal():
        return None
    whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    return ("-" if minus else "") + f"{int(whole or '0')}.{part}"


def _clock(field: bytes) -> str | None:
    digits = field[::-1].hex()
    if not digits.isdecimal():
        return None
    year, month, day, hour, minute, second = (digits[at : at + 2] for at in range(0, 12, 2))
    return f"20{year}-{month}-{day}T{hour}:{minute}:{second}"
