"""A process that is killed (SIGKILL) just before its k-th SQL statement: before and after everything that is durable.

    told = Told()
    killed = killed_at(17, spool_of, story)    # `story` runs in a child; what it told by `told(...)` comes back

Forked, not started anew: a kill is a kill, and a hundred of them take seconds. The child must be the only thread.
"""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_agent.keeping.database import Database

Tell = Callable[[dict[str, Any]], None]
Story = Callable[[Tell], None]


@dataclass(frozen=True, kw_only=True)
class Death:
    """What the child told while it lived, and whether it was killed before its end."""

    told: list[dict[str, Any]]
    killed: bool
    statements: int
    """SQL statements that were begun; known only when it was not killed."""


def killed_at(k: int, story: Story) -> Death:
    """Run `story` in a child that dies just before SQL statement k of any database it opens."""
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hear)
        _live(k, story, say)
    os.close(say)
    with os.fdopen(hear, "rb") as lines:
        told = [json.loads(line) for line in lines.read().splitlines()]
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError(f"the child failed: {told[-1:]}")
    statements = 0 if killed else told.pop()["statements"]
    return Death(told=told, killed=killed, statements=statements)


def _live(k: int, story: Story, say: int) -> None:
    """Never returns."""

    def tell(what: dict[str, Any]) -> None:
        os.write(say, json.dumps(what).encode() + b"\n")

    count = 0

    def begun(_: str) -> None:
        nonlocal count
        if count == k:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    real = Database.__init__

    def traced(self: Database, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        real(self, *args, **kwargs)
        self._db.set_trace_callback(begun)

    Database.__init__ = traced  # type: ignore[method-assign]
    try:
        story(tell)
        tell({"statements": count})
    except BaseException as wrong:  # noqa: BLE001 - whatever it is, the parent must hear of it
        tell({"wrong": repr(wrong)})
        os._exit(1)
    os._exit(0)
