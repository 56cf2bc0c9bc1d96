"""What the process with the key signs, and what not: pure.

1. A Sig_structure (RFC 9052 section 4.4) of this very key, for a document of the kind statement, and nothing else: no
   receipt, no roster, no enrolment, no bytes of the asker's choice.
2. Its payload is a whole statement, as strictly as any reader would open it.
3. It is this box's, and of a stream that the asker may sign.

Whether it continues its chain is not asked: what is signed and then not kept, for want of room, is signed once more
with other content, and only the spool knows.
"""

from dataclasses import dataclass

from edge_agent.signing.packets import Refused
from evidence.cose import payload_to_sign
from evidence.errors import MalformedError
from evidence.pen import Pen
from evidence.statement import AAD, check_payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One box's key, and for which of its streams it is used here."""

    box: str
    pen: Pen
    streams: tuple[str, ...]
    """Names, or `kind/*`; empty: every stream."""

    def sign(self, message: bytes) -> bytes | Refused:
        """The signature over a message that is asked for, or why there is none."""
        try:
            box, stream = check_payload(payload_to_sign(message, key=self.pen.public, aad=AAD))
        except MalformedError as wrong:
            return Refused(str(wrong))
        if box != self.box:
            return Refused(f"a statement of box {box}, where {self.box} signs")
        if self.streams and not {stream, f"{stream.partition('/')[0]}/*"} & {*self.streams}:
            return Refused(f"a statement of {stream}, where {' '.join(self.streams)} is signed")
        return self.pen.sign(message)
