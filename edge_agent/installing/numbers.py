"""Who a device says it is: the numbers on its plate, asked through its driver as polling asks them."""

from edge_agent.config.profiles import Profile
from edge_agent.config.sections import Bus, Identity
from edge_agent.drivers import driver_of
from edge_agent.installing.trying import as_machine


def numbers_of(bus: Bus, unit: int | str, profile: Profile) -> Identity:
    """Empty where the device does not say them, or nobody knows where it keeps them."""
    driver = driver_of(bus)
    who_of = getattr(driver, "who_of", None)  # not every protocol has numbers
    line = driver.line_of(bus)
    try:
        if who_of is None or line.open() is not None:
            return Identity()
        identity: Identity = who_of(as_machine(bus, unit, profile), line)().identity
        return identity
    finally:
        line.close()
