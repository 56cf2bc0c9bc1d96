"""One driver a bus kind: how its line is opened, and how a device on it is asked."""

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from edge_agent.config.sections import Bus, BusKind

if TYPE_CHECKING:
    from edge_agent.drivers.driver import Driver
    from edge_agent.drivers.identity import IdentifyingDriver

DRIVERS: Final = {
    BusKind.MODBUS_TCP: "edge_agent.drivers.modbus_asking",
    BusKind.MODBUS_RTU: "edge_agent.drivers.modbus_asking",
    BusKind.DLT645_2007: "edge_agent.drivers.dlt645",
    BusKind.DLT645_1997: "edge_agent.drivers.dlt645",
    BusKind.DLT698_45: "edge_agent.drivers.dlt698",
    BusKind.DIGITAL: "edge_agent.drivers.digital",
    BusKind.MTCONNECT: "edge_agent.drivers.mtconnect",
    BusKind.REPLAY: "edge_agent.drivers.replay",
    BusKind.GB26875_3: "edge_agent.drivers.fire",
}


IDENTIFYING: Final = frozenset(
    (
        *(BusKind.MODBUS_TCP, BusKind.MODBUS_RTU, BusKind.DLT645_2007, BusKind.DLT645_1997, BusKind.DLT698_45),
        BusKind.MTCONNECT,
    )
)
"""Whose devices can be asked for their numbers."""


def identifying_driver_of(bus: Bus) -> "IdentifyingDriver | None":
    """The driver of a bus whose devices can be asked who they are; None where they cannot."""
    return cast("IdentifyingDriver", import_module(DRIVERS[bus.kind])) if bus.kind in IDENTIFYING else None


def driver_of(bus: Bus) -> "Driver":
    """The driver of a bus; its module, and the libraries behind it, are imported only now."""
    return cast("Driver", import_module(DRIVERS[bus.kind]))
