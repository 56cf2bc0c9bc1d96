"""Which profile fits a device, and which device it is."""
