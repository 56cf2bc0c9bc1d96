"""The receiver's feed, as a bank asks for it over HTTP (wire-format.md, "Feed"): the one door to urllib.

Every answer is bounded in bytes and in time; a redirect is never followed, so a token goes nowhere else. What failed
for a reason that may pass is asked again a few times, each time later.
"""

import http.client
import json
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from evidence.bundle import ENTRY_LIMIT
from evidence.errors import FeedError, MalformedError
from evidence.jwt import sign_token
from evidence.keys import PublicKey, SigningKey
from evidence.statement import check_box

ANSWER_LIMIT: Final = 4 * ENTRY_LIMIT
"""Bytes of one answer, at most."""
TIMEOUT_S: Final = 60
ATTEMPTS: Final = 6
"""Times that one question is asked before the receiver counts as unreachable."""
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
CURSOR_LIMIT: Final = 1000
"""Characters of a cursor."""
PAGE_STATEMENTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Time and chance, which come in by argument."""

    now_s: Callable[[], int]
    sleep_s: Callable[[float], None]
    chance: Callable[[], float]
    """0 … 1."""
    token_id: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who the receiver says it is."""

    receiver: str
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the feed: bundle entries, not decoded, and where the next one begins."""

    encoded: bytes
    cursor: str
    more: bool


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, _req: object, _fp: object, code: int, *_: object) -> NoReturn:
        raise FeedError(f"the receiver answers with a redirect ({code}), which is not followed: is the URL right?")


class Feed:
    """One bank's view of one receiver."""

    def __init__(self, url: str, *, bank: str, key: SigningKey, world: World, ca: Path | None = None) -> None:
        """Raises FeedError when the URL or the CA file cannot be used."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FeedError(f"{url} is no http or https URL")
        self._url, self._bank, self._key, self._world = url.rstrip("/"), bank, key, world
        try:
            tls = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as cause:
            raise FeedError(f"cannot use the CA file {ca}: {cause}") from cause
        self._opener: OpenerDirector = build_opener(_NoRedirects, HTTPSHandler(context=tls))
        self._receiver = ""

    def about(self) -> About:
        """Whom this URL leads to; the key is worth nothing before its fingerprint was compared."""
        content, _ = self._get("/v1/about", signed=False)
        try:
            told = json.loads(content)
            key = PublicKey.from_cose_key(urlsafe_b64decode(told["public_key"] + "=="))
            self._receiver = check_box(told["receiver"])
        except (ValueError, KeyError, TypeError, MalformedError) as cause:
            raise FeedError(f"{self._url}/v1/about is not what a receiver answers") from cause
        return About(receiver=self._receiver, key=key)

    def page(self, cursor: str) -> Page:
        """The statements behind `cursor`; empty text for the beginning."""
        after = f"&after={quote(cursor, safe='')}" if cursor else ""
        content, headers = self._get(f"/v1/feed?limit={PAGE_STATEMENTS}{after}")
        following, more = headers.get("Next-Cursor"), headers.get("More")
        if not following or len(following) > CURSOR_LIMIT or not following.isprintable() or more not in ("0", "1"):
            raise FeedError("the feed's answer lacks a usable Next-Cursor or More")
        return Page(encoded=content, cursor=following, more=more == "1")

    def roster(self) -> bytes:
        """The roster's entry."""
        return self._get("/v1/roster")[0]

    def receipts(self) -> bytes:
        """The receipts' entries."""
        return self._get("/v1/receipts")[0]

    def _get(self, path: str, *, signed: bool = True) -> tuple[bytes, http.client.HTTPMessage]:
        """Ask until there is an answer, ATTEMPTS times at most; the wait doubles, with jitter, up to its limit."""
        wait_s, attempt = FIRST_WAIT_S, 1
        while True:
            try:
                return self._ask(path, signed=signed)
            except _TryLaterError as cause:
                if attempt == ATTEMPTS:
                    raise FeedError(f"{self._url} cannot be reached after {ATTEMPTS} attempts: {cause}") from cause
            self._world.sleep_s(wait_s * (0.5 + self._world.chance() / 2))
            wait_s, attempt = min(2 * wait_s, LONGEST_WAIT_S), attempt + 1

    def _ask(self, path: str, *, signed: bool) -> tuple[bytes, http.client.HTTPMessage]:
        request = Request(self._url + path, headers={"User-Agent": "qianliyan-evidence"})  # noqa: S310 - __init__ looked at the scheme
        if signed:
            request.add_unredirected_header("Authorization", f"Bearer {self._token()}")
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                content: bytes = answer.read(ANSWER_LIMIT + 1)
                headers: http.client.HTTPMessage = answer.headers
        except HTTPError as cause:
            with cause:
                why = _reason(cause)
            if cause.code in _MAY_PASS:
                raise _TryLaterError(why) from cause
            raise FeedError(f"the receiver refuses {path.partition('?')[0]}: {why}") from cause
        except (URLError, OSError, http.client.HTTPException) as cause:
            raise _TryLaterError(str(getattr(cause, "reason", cause)) or type(cause).__name__) from cause
        if len(content) > ANSWER_LIMIT:
            raise FeedError(f"an answer of more than {ANSWER_LIMIT} bytes")
        return content, headers

    def _token(self) -> str:
        world = self._world
        return sign_token(
            self._key, bank=self._bank, receiver=self._receiver, now_s=world.now_s(), token_id=world.token_id()
        )


_MAY_PASS: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
_REASON_LIMIT: Final = 2000


class _TryLaterError(Exception):
    """It did not work, and may work later."""


def _reason(refusal: HTTPError) -> str:
    """What the receiver says, or else the status."""
    try:
        told = json.loads(refusal.read(_REASON_LIMIT))["error"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        told = refusal.reason
    return f"{refusal.code} {told!s:.300}"
