"""DL/T 645 frames as meters send them; written apart from the box's own, so that neither hides the other's mistake."""

from decimal import Decimal


def sealed(address: str, control: int, data: bytes = b"", *, wakes: int = 0) -> bytes:
    """A sound frame; `address` as on the plate, `data` before 33 is added."""
    body = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68" + bytes((control, len(data)))
    body += bytes((octet + 0x33) % 256 for octet in data)
    return b"\xfe" * wakes + body + bytes((sum(body) % 256, 0x16))


def di(name: str) -> bytes:
    return bytes.fromhex(name)[::-1]


def bcd(value: str | int, octets: int) -> bytes:
    """Digits without their point, low byte first, the sign in the top bit."""
    number = Decimal(value)
    digits = "".join(str(digit) for digit in number.as_tuple().digits).zfill(2 * octets)
    low_first = bytearray(bytes.fromhex(digits)[::-1])
    assert len(low_first) == octets
    if number.is_signed():
        low_first[-1] |= 0x80
    return bytes(low_first)
