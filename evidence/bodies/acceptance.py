"""A certificate: how a machine's counts compare with a person's."""

from dataclasses import dataclass
from typing import Any, ClassVar

from evidence.bodies.checks import MS_LIMIT, between, hash_of, hash_or_empty, keys, text
from evidence.bodies.kinds import Kind
from evidence.errors import MalformedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A person counted, the machine counted the same, and this came of it."""

    kind: ClassVar = Kind.ACCEPTANCE
    at_ms: int
    frames: int
    """Pictures of a zone, or passages of a gate, that both counted."""
    by_person: int
    by_machine: int
    """Items in all of them."""
    exact: int
    """Frames in which both counted the same."""
    error_permille: int
    """The frames' differences, each without its sign, in thousandths of what the person counted, rounded up."""
    limit_permille: int
    """What the site's contract allows."""
    passed: bool
    detector: str
    detector_sha256: bytes = b""
    """Of the model file; empty for a detector that has none."""
    pictures_sha256: bytes
    """Over the pictures' hashes, one behind the other, in the order in which they were counted."""

    def to_value(self) -> dict[int, Any]:
        """The body as wire-format.md lays it out."""
        return {
            0: self.at_ms,
            1: self.frames,
            2: self.by_person,
            3: self.by_machine,
            4: self.exact,
            5: self.error_permille,
            6: self.limit_permille,
            7: int(self.passed),
            8: self.detector,
            9: self.detector_sha256,
            10: self.pictures_sha256,
        }

    @classmethod
    def from_value(cls, value: dict[Any, Any]) -> "Acceptance":
        """Checks everything; raises MalformedError."""
        keys(value, 11)
        frames = between(value[1], 1, MS_LIMIT, "frames")
        acceptance = cls(
            at_ms=between(value[0], 0, MS_LIMIT, "at_ms"),
            frames=frames,
            by_person=between(value[2], 1, MS_LIMIT, "by_person"),
            by_machine=between(value[3], 0, MS_LIMIT, "by_machine"),
            exact=between(value[4], 0, frames + 1, "exact"),
            error_permille=between(value[5], 0, MS_LIMIT, "error_permille"),
            limit_permille=between(value[6], 0, MS_LIMIT, "limit_permille"),
            passed=between(value[7], 0, 2, "passed") == 1,
            detector=text(value[8], "detector"),
            detector_sha256=hash_or_empty(value[9], "detector_sha256"),
            pictures_sha256=hash_of(value[10], "pictures_sha256"),
        )
        acceptance._check_sums()
        return acceptance

    def _check_sums(self) -> None:
        apart = abs(self.by_person - self.by_machine)
        if self.error_permille * self.by_person < 1000 * apart or (apart and self.exact == self.frames):
            raise MalformedError("the sums lie further apart than the certificate says")
        if self.passed and self.error_permille > self.limit_permille:
            raise MalformedError("passed, with more error than its limit allows")
