"""One driver a bus kind: how its line is opened, and how a device on it is asked."""
