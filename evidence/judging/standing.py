"""Where all judging of a stream stands, in integers that survive a power cut. Pure.

If lost: the run state is judged anew, and what was raised is raised again, or never cleared. If altered: what the box
says next no longer follows from its facts, and every bank that judges again sees where.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from evidence.errors import MalformedError
from evidence.judging.judge import UNJUDGED, Judged
from evidence.judging.limits import UNRAISED, LimitState
from evidence.judging.signature import UNSIGNED, SignatureState
from evidence.judging.witness import UNWITNESSED, WitnessState


class CounterState(NamedTuple):
    """What a counter said last."""

    value: int
    at_ms: int
    told_ms: int = -1
    """When an event about it was told last; -1: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where all judging of a stream stands."""

    judged: Judged = UNJUDGED
    apart: LimitState = UNRAISED
    limits: tuple[tuple[str, LimitState], ...] = ()
    """By the limits' names."""
    counters: tuple[tuple[str, CounterState], ...] = ()
    """By their points."""
    signature: SignatureState = UNSIGNED
    witness: WitnessState = UNWITNESSED
    stranger: int = 0
    """Whether another device than the one that was commissioned was told of last."""

    def anew(self, *, same: bool) -> "Standing":
        """After a gap: nothing is known but what was raised and what counters and a meter said.

        Not under the `same` settings, disagreement and signature begin from nothing too; a limit goes by its name.
        """
        return replace(
            self,
            judged=UNJUDGED,
            apart=self.apart.anew() if same else UNRAISED,
            limits=tuple((name, state.anew()) for name, state in self.limits),
            signature=self.signature.anew() if same else UNSIGNED,
        )

    def to_value(self) -> list[Any]:
        """Integers, texts and lists of them."""
        return [
            self.judged.to_value(),
            list(self.apart),
            [[name, *state] for name, state in self.limits],
            [[name, *state] for name, state in self.counters],
            self.signature.to_value(),
            self.witness.to_value(),
            self.stranger,
        ]

    @classmethod
    def from_value(cls, value: object) -> "Standing":
        """The opposite. Raises MalformedError."""
        match value:
            case [int(), *_]:  # of a box that judged nothing but the run state
                return cls(judged=Judged.from_value(value))
            case [judged, [int(raised), int(since), int(until)], [*limits], [*counters], signature, witness, int(who)]:
                return cls(
                    judged=Judged.from_value(judged),
                    apart=LimitState(raised, since, until),
                    limits=tuple(map(_limit_state, limits)),
                    counters=tuple(map(_counter, counters)),
                    signature=SignatureState.from_value(signature),
                    witness=WitnessState.from_value(witness),
                    stranger=who,
                )
        raise MalformedError("where judging stood cannot be read")


def _limit_state(value: object) -> tuple[str, LimitState]:
    match value:
        case [str(name), int(raised), int(since), int(until)]:
            return name, LimitState(raised, since, until)
    raise MalformedError("where a limit stood cannot be read")


def _counter(value: object) -> tuple[str, CounterState]:
    match value:
        case [str(name), int(last), int(last_ms), int(told_ms)]:
            return name, CounterState(last, last_ms, told_ms)
    raise MalformedError("where a counter stood cannot be read")


BEGINNING: Final = Standing()
