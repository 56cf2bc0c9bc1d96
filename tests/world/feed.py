"""A receiver's feed in a thread: what a bank asks, answered from a list of pages, honestly or not.

with running_feed(notebook) as feed:
    feed.url, feed.asked, feed.down = 3 (the next three questions get 503)
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from evidence.bundle import Entry, entry
from evidence.keys import SigningKey
from tests.world.notebook import Notebook

Answer = tuple[int, bytes, dict[str, str]]
"""(status, body, headers)."""


@dataclass(slots=True)
class FeedWorld:
    """What the feed serves; a test changes it while it runs."""

    notebook: Notebook
    bank: SigningKey
    page_size: int = 5
    port: int = 0
    down: int = 0
    """So many questions get 503."""
    pages: list[bytes] | None = None
    """Statements in commit order; the notebook's own when None."""
    shown_key: SigningKey | None = None
    """Whom /v1/about shows instead of the receiver."""
    answering: Callable[[str, str | None], Answer] | None = None
    """Answers instead, where a test wants something else."""
    asked: list[str] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, authorization: str | None) -> Answer:
        self.asked.append(path)
        if self.down:
            self.down -= 1
            return 503, b'{"error": "the store cannot be read now"}', {}
        parts = urlsplit(path)
        if parts.path == "/v1/about":
            public = (self.shown_key or self.notebook.receiver).public
            key = urlsafe_b64encode(public.to_cose_key()).rstrip(b"=").decode()
            return (
                200,
                json.dumps({"receiver": "main", "public_key": key, "fingerprint": "", "version": "0"}).encode(),
                {},
            )
        if (wrong := self._refuse(authorization)) is not None:
            return 401, json.dumps({"error": wrong}).encode(), {}
        if parts.path == "/v1/roster":
            return 200, entry(Entry.ROSTER, self.notebook.roster()), {}
        if parts.path == "/v1/receipts":
            return 200, entry(Entry.RECEIPT, self.notebook.receipt()), {}
        return self._page(parse_qs(parts.query).get("after", ["0"])[0])

    def _page(self, after: str) -> Answer:
        pages = self.notebook.pages if self.pages is None else self.pages
        start = int(after)
        end = min(len(pages), start + self.page_size)
        body = b"".join(entry(Entry.STATEMENT, page) for page in pages[start:end])
        return 200, body, {"Next-Cursor": str(end), "More": str(int(end < len(pages)))}

    def _refuse(self, authorization: str | None) -> str | None:
        token = (authorization or "").removeprefix("Bearer ")
        header, claims, signature = token.split(".")
        self.bank.public.verify(_decoded(signature), f"{header}.{claims}".encode())
        told = json.loads(_decoded(header)) | json.loads(_decoded(claims))
        if any(told["jti"] == other["jti"] for other in self.tokens):
            return "the token was used before"
        self.tokens.append(told)
        return None if told["aud"] == "main" else "the token is for another"


@contextmanager
def running_feed(notebook: Notebook, *, page_size: int = 5) -> Iterator[FeedWorld]:
    world = FeedWorld(notebook=notebook, bank=SigningKey.generate(), page_size=page_size)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = world.answering or world.answer
            status, body, headers = answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    world.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
