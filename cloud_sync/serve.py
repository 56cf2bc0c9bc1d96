"""`cloud-sync serve`: the receiver, one process.

Three threads: the wire to the broker, the intake that stores, and here HTTP. On SIGTERM or SIGINT: HTTP ends, what is
in hand is committed, acknowledged and receipted, and the broker is told goodbye. kill -9 loses nothing that was
receipted, and nothing at all where the box still has it.
"""

import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from cloud_sync import __version__, log
from cloud_sync.auth import Doorkeeper
from cloud_sync.clock import Clock, SystemClock
from cloud_sync.config import Config, Http, Pages
from cloud_sync.errors import CloudSyncError
from cloud_sync.feed import feed
from cloud_sync.intake import Batch, Intake
from cloud_sync.mqtt import Wire
from cloud_sync.pages import pages
from cloud_sync.receipts import Receipts
from cloud_sync.sqlite_store import SqliteStore
from cloud_sync.store import Store
from cloud_sync.view import StoreView
from evidence.exits import Exit
from evidence.keys import SigningKey

STOP_S: Final = 30.0
"""How long a stop waits for what is in hand."""
HTTP_STOP_S: Final = 5
"""How long a stop waits for answers that are being sent."""
CONNECTIONS: Final = 200
"""HTTP connections at a time, at most; more are answered 503."""


class ListenError(CloudSyncError):
    """The HTTP port cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What runs."""

    store: Store
    intake: Intake
    wire: Wire | None
    app: FastAPI


def assemble(config: Config, store: Store, key: SigningKey, clock: Clock) -> Parts:
    """Everything put together; nothing runs yet."""
    receipts = Receipts(store, key, receiver=config.receiver.id)
    wire = Wire(config.broker, clock) if config.broker else None
    intake = Intake(store, receipts, wire or _Nobody(), clock)
    app = FastAPI(title="Qianliyan receiver", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(GZipMiddleware)
    doorkeeper = Doorkeeper(store.banks, receiver=config.receiver.id, began_ms=clock.utc_ms())
    app.include_router(
        feed(
            store,
            key,
            receiver=config.receiver.id,
            doorkeeper=doorkeeper,
            now_ms=clock.utc_ms,
            health=_health(intake, wire),
        )
    )
    if config.http.pages is not Pages.OFF:
        app.include_router(pages(StoreView(store), now_ms=clock.utc_ms))
    return Parts(store=store, intake=intake, wire=wire, app=app)


def serve(config: Config, *, debug: bool = False) -> Exit:
    """Run until told to stop. Raises CloudSyncError, KeyFileError or OSError when it cannot begin."""
    log.begin(debug=debug)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    clock = SystemClock()
    key = SigningKey.load(config.receiver.signing_key)
    listening = listen(config.http)
    store = SqliteStore(config.receiver.store)
    parts = assemble(config, store, key, clock)
    stop = Event()
    storing = Thread(target=parts.intake.run, args=(stop,), name="intake")
    try:
        if parts.wire is not None:
            parts.wire.start(parts.intake.offer)
        storing.start()
        log.info(
            "serving",
            receiver=config.receiver.id,
            fingerprint=key.public.fingerprint,
            http=f"{config.http.host}:{listening.getsockname()[1]}",
            pages=config.http.pages.value,
            store=config.receiver.store,
        )
        _until_told(_http(parts.app, config.http), listening)
    finally:
        _end(parts, storing, stop)
        listening.close()
    return Exit.OK


def listen(http: Http) -> socket.socket:
    """The socket to serve at. Raises ListenError that says what to do."""
    try:
        family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
        return socket.create_server((http.host, http.port), family=family, backlog=CONNECTIONS)
    except OSError as cause:
        raise ListenError(
            f"cannot listen at {http.host}:{http.port}: {cause.strerror}. Is a receiver running? Else change http.port"
        ) from cause


def _http(app: FastAPI, http: Http) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ssl_certfile=http.cert,
            ssl_keyfile=http.key,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=HTTP_STOP_S,
        )
    )


def _until_told(server: uvicorn.Server, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, and return: uvicorn raises the signal again when it is done, to nobody's harm."""

    def end(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.run(sockets=[listening])


def _end(parts: Parts, storing: Thread, stop: Event) -> None:
    """What is in hand is stored first; only then the wire is closed, so that it can still be acknowledged."""
    log.info("stopping", waiting=parts.intake.waiting)
    if parts.wire is not None:
        parts.wire.refuse_more()
    stop.set()
    if storing.ident is not None:
        storing.join(STOP_S)
    if parts.wire is not None:
        parts.wire.stop()
    parts.store.close()
    counts = parts.intake.counts
    log.info("stopped", accepted=counts.accepted, repeated=counts.repeated, refused=counts.refused)


def _health(intake: Intake, wire: Wire | None) -> Callable[[], dict[str, object]]:
    def health() -> dict[str, object]:
        counts = intake.counts
        connected = wire is None or wire.connected
        return {
            "ok": counts.store_works and connected,
            "broker_connected": connected,
            "store_works": counts.store_works,
            "waiting": intake.waiting,
            "accepted": counts.accepted,
            "repeated": counts.repeated,
            "refused": counts.refused,
            "last_commit_ms": counts.last_commit_ms,
        }

    return health


class _Nobody:
    """The messenger of a receiver without a broker."""

    def acknowledge(self, batch: Batch) -> None:
        """Nobody waits."""

    def publish(self, box: str, receipt: bytes) -> None:
        """Nobody listens."""
