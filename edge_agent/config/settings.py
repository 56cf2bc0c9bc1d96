"""How a stream is measured, as it is signed into its chain: what a bank needs to decode and to judge again."""

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any, assert_never

from edge_agent.config.box import Box
from edge_agent.config.points import ByteOrder, Component, DataItem, Input, Item, Point, Register
from edge_agent.config.sections import (
    AgentPort,
    Bus,
    Camera,
    ChipPort,
    Identity,
    Machine,
    RecordingPort,
    SerialPort,
    TcpPort,
)
from edge_agent.config.zones import ZoneCamera
from evidence.judging.energy import IN_WH


def settings_of(what: Machine | Camera | ZoneCamera | Box) -> dict[str, Any]:
    """How a stream is measured, as it is signed into its chain: text keys, and integers, texts, bytes, lists, maps.

    With the raw frames of a statement this is enough to decode and to judge again. No secret is in it.
    """
    match what:
        case Machine():
            return _machine_settings(what)
        case Camera():
            return _camera_settings(what)
        case ZoneCamera():
            return _zone_settings(what)
        case Box():
            return {
                "enterprise": what.enterprise,
                "site": what.site,
                "seal_every_ms": what.seal_every_ms,
                "heartbeat_every_ms": what.heartbeat_every_ms,
                "commit_every_ms": what.commit_every_ms,
                "disk_quota_bytes": what.disk_quota_bytes,
                "keep": int(what.keep),
            }
        case never:
            assert_never(never)


def _camera_settings(camera: Camera) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": camera.title,
        "source": re.sub(r"//[^/@]*@", "//", camera.source),
        "gate_px": list(camera.gate_px),
        "in_normal_milli": list(camera.in_normal_milli),
        "pace": camera.pace.value,
        "slit": camera.slit.value,
        "slit_every_ms": camera.slit_every_ms,
        "pictures_keep_days": camera.pictures_keep_days,
        "pictures_at_most_mb": camera.pictures_at_most_mb,
    }
    if camera.item_px is not None:
        settings["item_px"] = list(camera.item_px)
    if camera.way is not None:
        settings["way"] = camera.way.value
    for key in ("speed_px_per_s", "frames_per_s_milli"):
        if getattr(camera, key) is not None:
            settings[key] = getattr(camera, key)
    return settings


def _zone_settings(zone: ZoneCamera) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": zone.title,
        "source": re.sub(r"//[^/@]*@", "//", zone.source),
        "polygon_px": list(zone.polygon_px),
        "look_every_ms": zone.look_every_ms,
        "items": list(zone.items),
        "pace": zone.pace.value,
    }
    if zone.exemplar_px is not None:
        settings["exemplar_px"] = list(zone.exemplar_px)
    if zone.declared is not None:
        settings["declared"] = list(zone.declared)
    if zone.contract_error_permille is not None:
        settings["contract_error_permille"] = zone.contract_error_permille
    return settings


def _machine_settings(machine: Machine) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": machine.title,
        "unit": machine.unit,
        "bus": _bus_settings(machine.bus),
        "profile": machine.profile.id,
        "profile_sha256": machine.profile.sha256,
        "period_ms": machine.period_ms,
        "keep": int(machine.keep),
        "points": [_point_settings(point) for point in machine.points],
    }
    if machine.silent_after_ms is not None:
        settings["silent_after_ms"] = machine.silent_after_ms
    if machine.identity is not None:
        settings["identity"] = _named(machine.identity, ("meter_number", "asset_number"))
    if machine.identity is not None and machine.profile.identity:
        settings["identity_points"] = [_point_settings(point) for point in machine.profile.identity]
    if any(point.clock for point in machine.points):
        settings["clock_off_ms"] = machine.clock_off_ms
    if machine.rated_w is not None:
        settings["rated_w"] = machine.rated_w
    if any(point.unit in IN_WH for point in machine.points):
        settings["counter_events"] = 1
    if machine.run_state is not None:
        settings |= machine.run_state.settings()
    if machine.limits:
        settings["limits"] = [limit.settings() for limit in machine.limits]
    if machine.signature is not None:
        settings["signature"] = machine.signature.settings()
    return settings


def _bus_settings(bus: Bus) -> dict[str, Any]:
    match bus.port:
        case TcpPort(host=host, port=port, baud=baud):
            line: dict[str, Any] = {"host": host, "port": port} | ({} if baud is None else {"baud": baud})
        case SerialPort() as port:
            line = {"device": port.device, "baud": port.baud, "stopbits": port.stopbits, "parity": port.parity.value}
        case ChipPort(chip=chip):
            line = {"chip": chip}
        case AgentPort(host=host, port=port, path=path, sampled=sampled):
            line = {"host": host, "port": port, "path": path, "ask": "sample" if sampled else "current"}
        case RecordingPort(file=file, loop=loop):
            line = {"file": file.name, "loop": int(loop)}
        case never:
            assert_never(never)
    return line | {"kind": bus.kind.value, "name": bus.name, "timeout_ms": bus.timeout_ms}


@lru_cache(maxsize=1024)
def _point_settings(point: Point) -> dict[str, Any]:
    """The same object for the same point, of however many machines: never changed."""
    settings: dict[str, Any] = {
        "name": point.name,
        "unit": point.unit,
        "decimals": point.decimals,
        "kind": point.kind.value,
    }
    if point.modulus is not None:
        settings["modulus"] = point.modulus
    settings |= {what: 1 for what in ("witness", "clock") if getattr(point, what)}
    match point:
        case Register():
            return settings | _register_settings(point)
        case Component():
            keys = ("system_type", "system_address", "component_type", "component_address", "analogue")
            settings |= _named(point, keys)
            if point.scale is not None:
                settings["scale"] = _ratio(point.scale)
        case Input():
            settings |= _named(point, ("line", "debounce_ms"))
            settings |= {"active_low": int(point.active_low), "bias": point.bias.value, "pulse": _ratio(point.pulse)}
        case DataItem():
            settings |= _named(point, ("data_item", "type", "sub_type")) | {"category": point.category.value}
            settings |= {"states": dict(point.states)} if point.states else {"scale": _ratio(point.scale)}
        case Item():
            return settings | _item_settings(point)
    return settings


def _register_settings(point: Register) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "function": int(point.function),
        "address": point.address,
        "type": point.type.value,
        "word_order": point.word_order.value,
        "scale": _ratio(point.scale),
    }
    if point.byte_order is not ByteOrder.HIGH_FIRST:
        settings["byte_order"] = point.byte_order.value
    if point.bits is not None:
        settings["bits"] = list(point.bits)
    if point.called is not None:
        settings["register"] = point.called
    return settings


def _item_settings(point: Item) -> dict[str, Any]:
    settings = {"item": point.item} | _named(point, ("element",))
    if point.digits is not None:
        settings |= {"digits": point.digits, "signed": int(point.signed)}
    if point.scale != 1:
        settings["scale"] = _ratio(point.scale)
    return settings


def _named(what: Point | Identity, keys: Iterable[str]) -> dict[str, Any]:
    """Those of its attributes that are there."""
    return {key: getattr(what, key) for key in keys if getattr(what, key) is not None}


def _ratio(factor: Fraction) -> list[int]:
    return [factor.numerator, factor.denominator]
