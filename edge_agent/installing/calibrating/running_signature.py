"""How a machine draws its power while it runs (evidence/judging/signature.py), learned beside its thresholds. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from edge_agent.installing.calibrating.advice import Rule
from edge_agent.installing.calibrating.judged_again import judging
from edge_agent.installing.calibrating.rhythm import Sample, step_ms
from edge_agent.installing.calibrating.thresholds import in_file
from evidence.judging.judge import UNJUDGED, Judged
from evidence.judging.signature import Signature, learn

FINE_MS: Final = 5_000
"""Readings further apart do not show how a start begins."""


def signature_of(
    samples: Sequence[Sample], means: Sequence[Sample], rule: Rule, *, point: str, hold_ms: int
) -> Signature | None:
    """The signature of hours of readings that `rule` judges by `samples`; None when it ran too little.

    `means` are what each stretch of time drew. Minutes do not show a start: the signature then has no inrush.
    """
    step = step_ms(means)
    found = learn(_judged(samples, means, rule, step), point=point, hold_ms=max(hold_ms, 2 * step))
    if found is None:
        return None
    found = replace(found, hold_ms=hold_ms)
    return found if step <= FINE_MS else replace(found, inrush_mw=None, inrush_spread_mw=None)


def signature_in_file(found: Signature) -> dict[str, str | int | Decimal | None]:
    """The keys of [machine.signature]; None takes one away."""
    return {
        "point": found.point,
        "running_w": in_file(found.running_mw),
        "spread_w": in_file(found.spread_mw),
        "idle_w": None if found.idle_mw is None else in_file(found.idle_mw),
        "wh_per_hour": found.wh_per_hour,
        "block_s": in_file(found.block_ms),
        "inrush_s": in_file(found.inrush_ms),
        "inrush_w": None if found.inrush_mw is None else in_file(found.inrush_mw),
        "inrush_spread_w": None if found.inrush_spread_mw is None else in_file(found.inrush_spread_mw),
    }


def _judged(
    samples: Sequence[Sample], means: Sequence[Sample], rule: Rule, step: int
) -> Iterator[tuple[int, int, Judged]]:
    """Each mean, and where judging stood at the end of its stretch of time."""
    steps = judging(samples, rule)
    ahead = next(steps, None)
    judged = UNJUDGED
    for at_ms, power_mw in means:
        while ahead is not None and ahead[0] < at_ms + max(1, step):
            judged, ahead = ahead[1], next(steps, None)
        yield at_ms, power_mw, judged
