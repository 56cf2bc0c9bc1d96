"""Who a device says it is: the numbers on its plate, asked through its driver as polling asks them."""

from edge_agent.config.profiles import Profile
from edge_agent.config.sections import Bus, Identity
from edge_agent.drivers import identifying_driver_of
from edge_agent.installing.identifying.trying import as_machine


def numbers_of(bus: Bus, unit: int | str, profile: Profile) -> Identity:
    """Empty where the device does not say them, or nobody knows where it keeps them."""
    driver = identifying_driver_of(bus)
    if driver is None:
        return Identity()
    line = driver.line_of(bus)
    try:
        return driver.who_of(as_machine(bus, unit, profile), line)().identity if line.open() is None else Identity()
    finally:
        line.close()
