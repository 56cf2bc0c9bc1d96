"""The feed: signed statements, verbatim, in the order in which they were committed, to whom they were granted.

    GET /v1/feed?after=CURSOR&limit=N   bundle entries [1, statement]; headers Next-Cursor and More: 0 or 1
    GET /v1/roster                      one entry [3, roster], of the boxes that were granted
    GET /v1/receipts                    entries [2, receipt], of the streams that were granted
    GET /v1/about                       JSON: receiver, public_key, fingerprint, version; for everybody
    GET /healthz                        JSON: whether it works; for everybody

A refusal is JSON {"error": sentence}: 400 a question that makes no sense, 401 who asks (auth.py), 409 a cursor of
another history of this receiver, 429 too often, 503 the store cannot be read.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from cloud_sync import __version__
from cloud_sync.auth import Doorkeeper, TooManyError, UnauthorizedError
from cloud_sync.errors import CloudSyncError
from cloud_sync.grants import NAME_LENGTH, Cursor, backfill, covers, newest, shown_by
from cloud_sync.receipts import Receipts
from cloud_sync.store import Commit, Grant, Store, StoreError
from evidence.bundle import Entry, entry
from evidence.errors import MalformedError
from evidence.keys import SigningKey
from evidence.roster import Roster, seal_roster
from evidence.statement import STATEMENT_LIMIT

PAGE_STATEMENTS: Final = 2000
"""Statements of one page, at most; half of it unless asked for otherwise."""
PAGE_BYTES: Final = 4 * 1024 * 1024
CBOR_SEQUENCE: Final = "application/cbor-seq"

Health = Callable[[], Mapping[str, object]]
"""What /healthz says; `ok` decides the status."""


class OtherHistoryError(CloudSyncError):
    """A cursor names a commit that this receiver does not have: its store was restored or replaced."""


def feed(
    store: Store, key: SigningKey, *, receiver: str, doorkeeper: Doorkeeper, now_ms: Callable[[], int], health: Health
) -> APIRouter:
    """The router."""
    site = _Site(store, key, receiver=receiver, doorkeeper=doorkeeper, now_ms=now_ms, health=health)
    router = APIRouter()
    router.add_api_route("/v1/feed", site.page, response_class=Response)
    router.add_api_route("/v1/roster", site.roster, response_class=Response)
    router.add_api_route("/v1/receipts", site.receipts, response_class=Response)
    router.add_api_route("/v1/about", site.about, response_class=Response)
    router.add_api_route("/healthz", site.healthz, response_class=Response)
    return router


def next_page(
    store: Store, bank: str, cursor: Cursor, *, at_most: int, at_most_bytes: int = PAGE_BYTES
) -> tuple[tuple[Commit, ...], Cursor, bool]:
    """The next statements for this bank, where it stands after them, and whether there is more already.

    Raises OtherHistoryError or StoreError.
    """
    _check_history(store, cursor)
    # In this order: a grant, a commit or a stream that comes in between is not lost but found by the next page.
    grants = store.grants(bank)
    last = store.last_commit()
    streams = store.names()
    if cursor.after == 0 and cursor.filling is None:
        cursor = replace(cursor, grants=newest(grants))
    elif cursor.filling is None and newest(grants) > cursor.grants:
        cursor = replace(cursor, filled=0, filling=newest(grants))
    if cursor.filling is not None:
        commits = store.commits(
            backfill(grants, cursor, streams),
            after=cursor.filled,
            up_to=cursor.after,
            at_most=at_most,
            at_most_bytes=at_most_bytes,
        )
        if _is_full(commits, at_most, at_most_bytes):
            return commits, replace(cursor, filled=commits[-1].seq), True
        cursor = replace(cursor, grants=cursor.filling, filled=0, filling=None)
        if commits:
            return commits, cursor, True
    shown = shown_by((grant for grant in grants if grant.id <= cursor.grants), streams)
    commits = store.commits(shown, after=cursor.after, up_to=last, at_most=at_most, at_most_bytes=at_most_bytes)
    full = _is_full(commits, at_most, at_most_bytes)
    return commits, _standing_behind(store, cursor, commits[-1].seq if full else last), full


def _is_full(commits: tuple[Commit, ...], at_most: int, at_most_bytes: int) -> bool:
    """Whether there may be more: the next statement, of up to STATEMENT_LIMIT bytes, might not have fitted."""
    size = sum(len(commit.encoded) for commit in commits)
    return bool(commits) and (len(commits) >= at_most or size > at_most_bytes - STATEMENT_LIMIT)


def _standing_behind(store: Store, cursor: Cursor, seq: int) -> Cursor:
    name = store.hash_of_commit(seq) if seq else b""
    return replace(cursor, after=seq, name=(name or b"")[:NAME_LENGTH])


def _check_history(store: Store, cursor: Cursor) -> None:
    if cursor.after:
        name = store.hash_of_commit(cursor.after)
        if name is None or name[:NAME_LENGTH] != cursor.name:
            raise OtherHistoryError(
                "this receiver's store was restored or replaced since: pull again from the beginning, into a new copy"
            )


class _Site:
    """Asks who it is, asks the store, answers."""

    def __init__(
        self,
        store: Store,
        key: SigningKey,
        *,
        receiver: str,
        doorkeeper: Doorkeeper,
        now_ms: Callable[[], int],
        health: Health,
    ) -> None:
        self._store, self._key, self._receiver = store, key, receiver
        self._doorkeeper, self._now_ms, self._health = doorkeeper, now_ms, health
        self._receipts = Receipts(store, key, receiver=receiver)

    def page(self, request: Request) -> Response:
        """GET /v1/feed."""
        return self._answer(request, self._page)

    def roster(self, request: Request) -> Response:
        """GET /v1/roster."""
        return self._answer(request, self._roster)

    def receipts(self, request: Request) -> Response:
        """GET /v1/receipts."""
        return self._answer(request, self._receipts_of)

    def about(self) -> Response:
        """GET /v1/about."""
        public = self._key.public
        return JSONResponse(
            {
                "receiver": self._receiver,
                "public_key": urlsafe_b64encode(public.to_cose_key()).rstrip(b"=").decode(),
                "fingerprint": public.fingerprint,
                "version": __version__,
            }
        )

    def healthz(self) -> Response:
        """GET /healthz."""
        found = dict(self._health())
        return JSONResponse(found, 200 if found.get("ok") else 503)

    def _answer(self, request: Request, ask: Callable[[Request, str], Response]) -> Response:
        try:
            bank = self._doorkeeper.bank_of(request.headers.get("authorization"), now_ms=self._now_ms())
            return ask(request, bank)
        except UnauthorizedError as cause:
            return _refusal(401, cause, {"WWW-Authenticate": "Bearer"})
        except MalformedError as cause:
            return _refusal(400, cause)
        except OtherHistoryError as cause:
            return _refusal(409, cause)
        except TooManyError as cause:
            return _refusal(429, cause)
        except StoreError:
            return _refusal(503, CloudSyncError("the store cannot be read now: try again later"))

    def _page(self, request: Request, bank: str) -> Response:
        text = request.query_params.get("after")
        cursor = Cursor.from_text(text) if text else Cursor()
        at_most = _limit(request.query_params.get("limit"))
        commits, after, more = next_page(self._store, bank, cursor, at_most=at_most)
        return _entries(
            ((Entry.STATEMENT, commit.encoded) for commit in commits),
            {"Next-Cursor": after.to_text(), "More": str(int(more))},
        )

    def _roster(self, _: Request, bank: str) -> Response:
        boxes = {grant.box for grant in self._store.grants(bank)}
        listed = tuple(enrolled for enrolled in self._store.roster() if enrolled.box in boxes)
        roster = Roster(receiver=self._receiver, at_ms=self._now_ms(), boxes=listed)
        return _entries([(Entry.ROSTER, seal_roster(self._key, roster))])

    def _receipts_of(self, _: Request, bank: str) -> Response:
        grants = self._store.grants(bank)
        return _entries((Entry.RECEIPT, receipt) for receipt in self._granted_receipts(grants))

    def _granted_receipts(self, grants: Iterable[Grant]) -> Iterable[bytes]:
        given = tuple(grants)
        streams: dict[str, list[str]] = {}
        for _, box, name in self._store.names():
            if any(covers(grant, box, name) for grant in given):
                streams.setdefault(box, []).append(name)
        for box, names in sorted(streams.items()):
            yield from self._receipts.of(box, at_ms=self._now_ms(), streams=names, refusals=False)


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_STATEMENTS // 2
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= PAGE_STATEMENTS:
        raise MalformedError(f"limit is a whole number from 1 to {PAGE_STATEMENTS}")
    return int(text)


def _entries(entries: Iterable[tuple[Entry, bytes]], headers: dict[str, str] | None = None) -> Response:
    body = b"".join(entry(kind, content) for kind, content in entries)
    return Response(body, media_type=CBOR_SEQUENCE, headers={"Cache-Control": "no-store"} | (headers or {}))


def _refusal(status: int, cause: Exception, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": str(cause)}, status, headers=headers)
