"""When to ask whom: one thread a bus, a fixed grid, rest for the silent."""
