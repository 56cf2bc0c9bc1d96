"""The box's processes: `poll`, `watch NAME` and `sync`, and `run`, which starts them all for a desk.

Under systemd each is a unit of its own, and systemd is the only supervisor: a process that cannot go on ends with an
exit code, and is started again.
"""

import argparse
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from edge_agent.clock import Clock, SystemClock, clock_of
from edge_agent.commands.orders import Orders
from edge_agent.config.load import Config, ConfigurationError, ZoneCamera, load
from edge_agent.config.settings import settings_of
from edge_agent.keeping.signer import Signer
from edge_agent.keeping.spool import Spool, SpoolDamagedError, SpoolError, put_aside
from edge_agent.signing.remote import RemotePen, way_of
from evidence.errors import EvidenceError
from evidence.exits import Exit

if TYPE_CHECKING:
    from edge_agent.keeping.keeper import Keeper
    from edge_agent.polling.lines import Lines

DEFAULT_CONFIG: Final = Path("/etc/qianliyan/box.toml")
RESTART_S: Final = 2.0
STOP_WAIT_S: Final = 20.0
"""How long `run` waits for its processes to seal and stop."""

log = logging.getLogger(__name__)


def poll(config: Config, orders: Orders) -> Exit:
    """Ask every machine, keep and sign what they answer, until told to stop; reload the file when told to."""
    from edge_agent.keeping.keeper import Keeper
    from edge_agent.polling.lines import Lines

    with signer_of(config, clock=clock_of(config.clock)) as signer:
        keeper = Keeper(signer, config.box, _machine_settings(config), settings_of(config.box))
        keeper.start()
        lines = Lines(signer.clock, keeper.deliver, on_failure=orders.give_stop)
        try:
            lines.start(config)
            while orders.go_on():
                if orders.take_reload() and (changed := reloaded(config)) is not None:
                    config = _changed(config, changed, lines, keeper)
                keeper.run(orders.given)
        finally:
            try:
                lines.close()  # whatever ended the keeper, nobody asks for nothing
            except BaseException:
                keeper.finish("asking failed")
                raise
        keeper.finish("stopped as told")
    return Exit.OK


def _changed(config: Config, wanted: Config, lines: "Lines", keeper: "Keeper") -> Config:
    """Go on by another configuration; the one that is in force then. Buses that are the same go on all the while."""
    lines.stop_changed(wanted)
    try:
        keeper.change(wanted.box, _machine_settings(wanted), settings_of(wanted.box))
        config = wanted
    except SpoolDamagedError:
        raise
    except SpoolError as wrong:
        log.error("the configuration is not changed, free some room and reload again: %s", wrong)  # noqa: TRY400
    lines.start(config)
    return config


def reloaded(config: Config) -> Config | None:
    """The file as it is now; None, and the reason in the log, when nothing can be gone on by."""
    try:
        wanted = load(config.file)
    except ConfigurationError as wrong:
        log.error("the configuration is as before, for the file is wrong: %s", wrong)  # noqa: TRY400 - whole
        return None
    for key in ("id", "signing_key", "signer", "spool"):
        if getattr(wanted.box, key) != getattr(config.box, key):
            log.error("the configuration is as before: box.%s changes with a restart only", key)
            return None
    return wanted


def _machine_settings(config: Config) -> dict[str, dict[str, Any]]:
    return {machine.stream: settings_of(machine) for machine in config.machines}


def watch(config: Config, name: str, stop: Event) -> Exit:
    """Count at one camera's gate, or in one zone, until `stop` is set."""
    watched = {each.name: each for each in config.watched}
    if name not in watched:
        known = ", ".join(watched) or "none"
        log.error("there is no camera or zone %s in %s; it has: %s", name, config.file, known)
        return Exit.USAGE
    camera = watched[name]
    if isinstance(camera, ZoneCamera):
        return _watch_zone(config, camera, stop)
    from edge_agent.eye.watch import watch as watch_camera

    clock = SystemClock()  # what a camera sees cannot be hurried by a desk's clock
    with signer_of(config, clock=clock, camera=name) as signer:
        watch_camera(camera, signer, settings_of(camera), seal_every_ms=config.box.seal_every_ms, stop=stop)
    return Exit.OK


def _watch_zone(config: Config, zone: ZoneCamera, stop: Event) -> Exit:
    from edge_agent.eye.litert import ModelError, stock_finder
    from edge_agent.eye.zone_watch import watch_zone

    try:
        finder = stock_finder()
    except ModelError as wrong:
        log.error("%s", wrong)  # noqa: TRY400 - the message is whole
        return Exit.HARDWARE
    with signer_of(config, clock=SystemClock(), camera=zone.name) as signer:
        every_ms = config.box.seal_every_ms
        watch_zone(zone, signer, settings_of(zone), finder=finder, seal_every_ms=every_ms, stop=stop)
    return Exit.OK


def sync(config: Config, stop: Event, *, once_within_s: float | None = None) -> Exit:
    """Send statements up until `stop` is set; with `once_within_s`, until all are receipted or the time is over."""
    from edge_agent.uplink.mqtt import Broker, UplinkError
    from edge_agent.uplink.sync import Sync
    from evidence.keys import PublicKey

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


def run(config: Config, orders: Orders) -> Exit:
    """Start poll, a watch for each camera, and sync as processes; restart what ends; stop all at the end."""
    running = {name: _start(command, config.file) for name, command in _commands(config).items()}
    worst = Exit.OK
    while not orders.given.wait(0.5) or orders.go_on():
        if orders.take_reload() and (wanted := reloaded(config)) is not None:
            _pass_on(config, wanted, running)
            config = wanted
        for name, command in _commands(config).items():
            code = running[name].poll() if name in running else None
            if code in (Exit.USAGE, Exit.CONFIGURATION):
                log.error("%s cannot run, all stop", name)
                worst = Exit(code)
                orders.give_stop()
            elif code is not None:
                log.warning("%s ended code=%d, starting it again", name, code)
                orders.given.wait(RESTART_S)
            if code is not None or name not in running:
                running[name] = _start(command, config.file)
    _end(running)
    return worst


def _commands(config: Config) -> dict[str, list[str]]:
    """What runs for this configuration, by a name for people."""
    commands = [["poll"], *(["watch", camera.name] for camera in config.watched)]
    if config.uplink is not None:
        commands.append(["sync"])
    return {" ".join(command): command for command in commands}


def _pass_on(config: Config, wanted: Config, running: "dict[str, subprocess.Popen[bytes]]") -> None:
    """`poll` reloads by itself; what else is configured otherwise is stopped, and starts anew by the new file."""
    running["poll"].send_signal(signal.SIGHUP)
    before, after = {c.name: c for c in config.watched}, {c.name: c for c in wanted.watched}
    over = [f"watch {name}" for name in before if before[name] != after.get(name)]
    over += ["sync"] if config.uplink is not None and config.uplink != wanted.uplink else []
    _end({name: running.pop(name) for name in over})


def _end(running: "dict[str, subprocess.Popen[bytes]]") -> None:
    for process in running.values():
        process.terminate()
    for name, process in running.items():
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            log.error("%s does not stop, killing it", name)  # noqa: TRY400 - nothing more to tell
            process.kill()
            process.wait()


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`poll`, `watch`, `sync` and `run`."""
    _command(subparsers, "poll", "ask the machines, keep and sign what they answer", lambda c, _, o: poll(c, o))
    watching = _command(
        subparsers,
        "watch",
        "count goods at one camera's gate, or in one zone",
        lambda c, args, o: watch(c, args.camera, o.stop),
    )
    watching.add_argument("camera", help="its name, or the zone's, in the configuration")
    sending = _command(
        subparsers, "sync", "send statements to the receiver", lambda c, a, o: sync(c, o.stop, once_within_s=a.once)
    )
    sending.add_argument(
        "--once", type=float, metavar="SECONDS", help="end when all is receipted, or fail after so many seconds"
    )
    _command(subparsers, "run", "poll, watch and sync together, for a desk", lambda c, _, o: run(c, o))


def _command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help_: str,
    main: Callable[[Config, argparse.Namespace, Orders], Exit],
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}, until SIGTERM.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")

    def start(args: argparse.Namespace) -> Exit:
        orders = Orders()
        try:
            config = load(args.config)
            orders.await_signals()
            return main(config, args, orders)
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
def signer_of(config: Config, *, clock: Clock, camera: str | None = None) -> Iterator[Signer]:
    """Outlives everything that is to be signed: a child that holds the key ends last."""
    box = config.box
    with (
        closing(RemotePen(way_of(box, camera=camera), clock)) as pen,
        closing(Spool(box.spool, box=box.id)) as spool,
    ):
        yield Signer(spool, pen, clock)


def _start(command: list[str], config: Path) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "edge_agent", *command, "--config", str(config)]
    log.info("starting %s", " ".join(command))
    return subprocess.Popen(argv)
