"""What cameras told, for a person to read: crossings, stock, pictures, certificates. Pure."""

from collections.abc import Iterator
from typing import Final

from evidence.bodies import Verdict
from evidence.judging.detectors import Detector
from evidence.judging.gates import Counted
from evidence.judging.recompute import Recomputed
from evidence.judging.zones import Stocked
from evidence.pictures_told import Certified, PicturesTold, is_of
from evidence.say import count, hours, lasting, short, when
from evidence.show import VERDICT_WORDS, count_text

NAMED_IN_TEXT: Final = 5
"""Of each kind, the text names so many; --json has more."""


def eye_lines(sums: Recomputed) -> Iterator[tuple[str, str]]:
    """(name, what it is), indented like a stream's other lines."""
    if sums.counted is not None:
        yield from _crossings(sums.counted)
    if sums.stocked is not None:
        yield from _stock(sums.stocked)
    detectors = [told.detectors for told in (sums.counted, sums.stocked) if told is not None]
    if sums.certificates is not None:
        yield from _certificates(sums.certificates, detectors[0][-1] if detectors else None)
    if sums.pictures is not None:
        yield from _pictures(sums.pictures)


def _crossings(counted: Counted) -> Iterator[tuple[str, str]]:
    blind = f", blind for {lasting(counted.blind_ms)}" if counted.blind_ms else ""
    totals = f"totals {counted.total_in} and {counted.total_out}"
    yield "  crossings", f"{counted.came_in} in, {counted.went_out} out ({totals}){blind}{_dropped(counted)}"
    if len(counted.labels) > 1:
        yield "  of them", ", ".join(f"{times:,} {label}" for label, times in counted.labels.items())
    if counted.contested:
        more = f", and {count(counted.uncertain, 'more item')} may have been in loads" if counted.uncertain else ""
        yield "  CONTESTED", f"{counted.contested:,} of them are doubtful 存疑{more}"
    if counted.sources:
        seen = ", ".join(f"{name} {times:,}" for name, times in counted.sources.items())
        yield "  seen by", f"{seen}{f'; {counted.by_one:,} by one alone' if counted.by_one else ''}"
    yield from _detectors(counted.detectors)


def _stock(stocked: Stocked) -> Iterator[tuple[str, str]]:
    yield "  stock", f"{count_text(stocked.last)}, {VERDICT_WORDS[stocked.last.verdict]}"
    if stocked.counted_at_ms is not None and stocked.last.verdict is not Verdict.COUNTED:
        yield "  last counted", when(stocked.counted_at_ms)
    if stocked.absolute is False:
        yield "  NOTE", "the count itself is not claimed, only how it changes: no certificate under these settings"
    if stocked.least is not None and stocked.most is not None:
        yield "  least", f"{stocked.least.count} at {when(stocked.least.at_ms)}"
        yield "  most", f"{stocked.most.count} at {when(stocked.most.at_ms)}, {stocked.counts:,} times another count"
    for word, time_ms in (
        ("counted", stocked.counted_ms),
        ("occluded", stocked.occluded_ms),
        ("disagreed", stocked.disagreed_ms),
        ("blind", stocked.blind_ms),
    ):
        if time_ms or word == "counted":
            yield "  " + word, hours(time_ms) + ("" if word == "counted" else ": neither a count nor a zero")
    if dropped := _dropped(stocked):
        yield "  frames", dropped.removeprefix(", ")
    if stocked.declared is not None:
        depth, rows = stocked.declared
        yield "  declared", f"{depth} deep, {rows} rows, by the installer: no camera saw what stands behind"
    yield from _detectors(stocked.detectors)


def _dropped(seen: Counted | Stocked) -> str:
    if not seen.frames_dropped:
        return ""
    return f", {seen.frames_dropped:,} of {seen.frames_seen + seen.frames_dropped:,} frames dropped"


def _detectors(detectors: tuple[Detector, ...]) -> Iterator[tuple[str, str]]:
    named = [f"{one.name or 'no name'} {short(one.sha256)}" for one in detectors[-NAMED_IN_TEXT:]]
    before = f"; {len(detectors) - NAMED_IN_TEXT} before" if len(detectors) > NAMED_IN_TEXT else ""
    yield "  counted by", f"{', then '.join(named)}{before}"


def _certificates(certified: Certified, detector: Detector | None) -> Iterator[tuple[str, str]]:
    last = certified.last
    word = "passed" if last.passed else "FAILED"
    error = f"error {last.error_permille / 10:.1f} % of at most {last.limit_permille / 10:.1f} %"
    exact = f"{last.exact} of {last.frames} frames exact"
    yield "  certificate", f"{word} {when(last.at_ms)}: {error}, {exact} (n={certified.last_n})"
    if certified.count > 1:
        yield "  before it", f"{count(certified.count - 1, 'certificate')}; {certified.passed} of all passed"
    if detector is not None and not is_of(last, detector):
        yield "  NOTE", f"the certificate is of {last.detector or 'no name'} {short(last.detector_sha256)}, another one"


def _pictures(told: PicturesTold) -> Iterator[tuple[str, str]]:
    kinds = ", ".join(f"{times:,} {what.name.lower()}" for what, times in told.kinds.items())
    left = f"{told.here:,} left the box and are here ({told.here_bytes:,} bytes)"
    yield "  pictures", f"{told.count:,} ({kinds}): {left}, {told.count - told.here:,} stayed on it"
    if here := [one for one in told.newest if one.is_here][-NAMED_IN_TEXT:]:
        last = here[-1]
        yield "  newest here", f"n={last.n} {last.what.name} {when(last.from_ms)}, {count(last.marks, 'mark')}"
