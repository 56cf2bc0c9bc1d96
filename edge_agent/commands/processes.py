"""The box's processes: `poll`, `watch NAME` and `sync`, and `run`, which starts them all for a desk.

Under systemd each is a unit of its own, and systemd is the only supervisor: a process that cannot go on ends with an
exit code, and is started again.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

from edge_agent.clock import Clock, SystemClock, clock_of
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.settings import settings_of
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool, SpoolDamagedError, SpoolError, put_aside
from evidence.errors import EvidenceError
from evidence.exits import Exit
from evidence.keys import PublicKey, SigningKey

DEFAULT_CONFIG: Final = Path("/etc/qianliyan/box.toml")
RESTART_S: Final = 2.0
STOP_WAIT_S: Final = 20.0
"""How long `run` waits for its processes to seal and stop."""

log = logging.getLogger(__name__)


def poll(config: Config, stop: Event) -> Exit:
    """Ask every machine, keep and sign what they answer, until `stop` is set."""
    from edge_agent.keeping.keeper import Keeper
    from edge_agent.polling.poll import poll_config

    failed: list[Exception] = []

    def ask() -> None:
        try:
            poll_config(config, signer.clock, keeper.deliver, stop)
        except Exception as wrong:  # noqa: BLE001 - the top of a thread: told below
            failed.append(wrong)
            stop.set()

    with _signer(config, clock=clock_of(config.clock)) as signer:
        settings = {machine.stream: settings_of(machine) for machine in config.machines}
        keeper = Keeper(signer, config.box, settings, settings_of(config.box))
        keeper.start()
        asking = Thread(target=ask, name="poll")
        asking.start()
        try:
            keeper.run(stop)
        finally:
            stop.set()  # whatever ended the keeper, nobody asks for nothing
            asking.join()
        keeper.finish("asking failed" if failed else "stopped as told")
    if failed:
        raise failed[0]
    return Exit.OK


def watch(config: Config, name: str, stop: Event) -> Exit:
    """Count at one camera's gate until `stop` is set."""
    from edge_agent.eye.watch import watch as watch_camera

    cameras = {camera.name: camera for camera in config.cameras}
    if name not in cameras:
        known = ", ".join(cameras) or "none"
        log.error("there is no camera %s in %s; it has: %s", name, config.file, known)
        return Exit.USAGE
    camera = cameras[name]
    with _signer(config, clock=SystemClock()) as signer:  # what a camera sees cannot be hurried by a desk's clock
        watch_camera(camera, signer, settings_of(camera), seal_every_ms=config.box.seal_every_ms, stop=stop)
    return Exit.OK


def sync(config: Config, stop: Event, *, once_within_s: float | None = None) -> Exit:
    """Send statements up until `stop` is set; with `once_within_s`, until all are receipted or the time is over."""
    from edge_agent.uplink.mqtt import Broker, UplinkError
    from edge_agent.uplink.sync import Sync

    if config.uplink is None:
        log.error("there is no [uplink] in %s: without a network use `edge-agent export`", config.file)
        return Exit.CONFIGURATION
    uplink = config.uplink
    clock = SystemClock()
    spool = Spool(config.box.spool, box=config.box.id)
    try:
        spool.claim("sync")
        sender = Sync(
            spool,
            Broker(
                host=uplink.host,
                port=uplink.port,
                ca=uplink.ca,
                cert=uplink.cert,
                key=uplink.key,
                keepalive_s=uplink.keepalive_s,
            ),
            box=config.box.id,
            receiver=PublicKey.load(uplink.receiver_key),
            backlog_per_s=uplink.backlog_statements_per_s,
            now_s=lambda: clock.steady_ms() / 1000,
            utc_ms=clock.utc_ms,
        )
        if once_within_s is None:
            sender.run(stop)
            return Exit.OK
        left = sender.send_all(within_s=once_within_s)
    except UplinkError as wrong:
        log.error("%s", wrong)  # noqa: TRY400 - the message is whole
        return Exit.WRONG_OUT_THERE
    finally:
        spool.close()
    log.info("statements without a receipt: %d", left)
    return Exit.OK if left == 0 else Exit.WRONG_OUT_THERE


def run(config: Config, stop: Event) -> Exit:
    """Start poll, a watch for each camera, and sync as processes; restart what ends; stop all at the end."""
    commands = [["poll"], *(["watch", camera.name] for camera in config.cameras)]
    if config.uplink is not None:
        commands.append(["sync"])
    running = {tuple(command): _start(command, config.file) for command in commands}
    worst = Exit.OK
    while not stop.wait(0.5):
        for command, process in running.items():
            code = process.poll()
            if code in (Exit.USAGE, Exit.CONFIGURATION):
                log.error("%s cannot run, all stop", " ".join(command))
                worst = Exit(code)
                stop.set()
            elif code is not None:
                log.warning("%s ended code=%d, starting it again", " ".join(command), code)
                stop.wait(RESTART_S)
                running[command] = _start(list(command), config.file)
    for process in running.values():
        process.terminate()
    for command, process in running.items():
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            log.error("%s does not stop, killing it", " ".join(command))  # noqa: TRY400 - nothing more to tell
            process.kill()
            process.wait()
    return worst


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`poll`, `watch`, `sync` and `run`."""
    _command(subparsers, "poll", "ask the machines, keep and sign what they answer", lambda c, _, s: poll(c, s))
    watching = _command(
        subparsers, "watch", "count goods at one camera's gate", lambda c, args, s: watch(c, args.camera, s)
    )
    watching.add_argument("camera", help="its name in the configuration")
    sending = _command(
        subparsers, "sync", "send statements to the receiver", lambda c, a, s: sync(c, s, once_within_s=a.once)
    )
    sending.add_argument(
        "--once", type=float, metavar="SECONDS", help="end when all is receipted, or fail after so many seconds"
    )
    _command(subparsers, "run", "poll, watch and sync together, for a desk", lambda c, _, s: run(c, s))


def _stop_on_signals(stop: Event) -> None:
    """SIGTERM and SIGINT set `stop`; a second SIGINT ends the process at once.

    By a thread that waits for them: an Event that is set inside a signal handler can lock up, when the signal came
    while the main thread was about to wait for that very Event.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)  # inherited by every thread that starts from here on
    Thread(target=_await_signals, args=(stop,), name="signals", daemon=True).start()


_STOPPING: Final = frozenset((signal.SIGTERM, signal.SIGINT))


def _await_signals(stop: Event) -> None:
    while True:
        number = signal.sigwait(_STOPPING)
        if stop.is_set() and number == signal.SIGINT:
            os._exit(130)  # at any instant as safe as a power cut
        stop.set()


def _command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help_: str,
    main: Callable[[Config, argparse.Namespace, Event], Exit],
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}, until SIGTERM.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")

    def start(args: argparse.Namespace) -> Exit:
        stop = Event()
        try:
            config = load(args.config)
            _stop_on_signals(stop)
            return main(config, args, stop)
        except (ConfigurationError, EvidenceError) as wrong:
            log.error("%s", wrong)  # noqa: TRY400 - the message is whole
            return Exit.CONFIGURATION
        except SpoolDamagedError as wrong:
            log.error("%s", wrong)  # noqa: TRY400 - the message is whole
            return _make_way(config.box.spool)
        except SpoolError as wrong:
            log.error("%s", wrong)  # noqa: TRY400 - the message is whole
            return Exit.HARDWARE

    parser.set_defaults(run=start)
    return parser


def _make_way(spool: Path) -> Exit:
    """A box must not stand still for a damaged spool: it is kept as evidence, and the next start begins a new one."""
    try:
        aside = put_aside(spool, at_ms=SystemClock().utc_ms())
    except OSError as wrong:
        log.error("cannot put the damaged spool aside: %s", wrong)  # noqa: TRY400 - the message is whole
    else:
        log.error("what was not sent lies in %s: keep it as evidence; the next start begins a new spool", aside)
    return Exit.HARDWARE


@contextmanager
def _signer(config: Config, *, clock: Clock) -> Iterator[Signer]:
    box = config.box
    key = SigningKey.load(box.signing_key)
    spool = Spool(box.spool, box=box.id)
    try:
        yield Signer(spool, key, clock)
    finally:
        spool.close()


def _start(command: list[str], config: Path) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "edge_agent", *command, "--config", str(config)]
    log.info("starting %s", " ".join(command))
    return subprocess.Popen(argv)
