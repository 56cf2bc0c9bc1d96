"""The room that is left for the spool: what goes first when it grows short, and what is kept less of then."""

import logging
from typing import Final

from edge_agent.keeping.spool import Spool, SpoolError

ROOM_EVERY: Final = 10
"""Commits between two looks at the room that is left."""
TIGHT: Final = 0.8
"""Of the quota: from here on receipted statements are forgotten; with none left, minutes are kept, not samples …"""
ROOMY: Final = 0.7
"""… until so little is used again."""
FORGET_AT_ONCE: Final = 2_000
"""Receipted statements deleted in one transaction."""

log = logging.getLogger(__name__)


class Room:
    """How full the spool is against its quota. Receipted statements are all that is ever forgotten."""

    def __init__(self, spool: Spool, quota_bytes: int) -> None:
        self._spool = spool
        self.quota_bytes = quota_bytes
        self.thin = False
        """Whether minutes are to be kept in place of samples."""
        self.over_quota = False
        """Whether nothing more may be written until something was receipted."""

    def look(self) -> None:
        """Forget receipted statements when the quota is nearly used; with none left, keep less, and say so."""
        used = self._spool.used_bytes()
        if used >= TIGHT * self.quota_bytes and self._spool.forget_receipted(at_most=FORGET_AT_ONCE):
            log.info("forgot receipted statements for room")
            used = self._spool.used_bytes()
        elif used >= TIGHT * self.quota_bytes and not self.thin:
            self.thin = True
            log.warning("little room is left and nothing is receipted: minutes are kept in place of samples")
        if used < ROOMY * self.quota_bytes:
            self.thin = False
        self.over_quota = used >= self.quota_bytes

    def make(self) -> None:
        """After a write found no room: give the reserve, and forget what is receipted."""
        if not self.over_quota:
            self._spool.give_reserve()
        try:
            forgot = self._spool.forget_receipted(at_most=FORGET_AT_ONCE)
        except SpoolError as still:
            log.debug("still no room: %s", still)
        else:
            self.over_quota = self.over_quota and forgot == 0
