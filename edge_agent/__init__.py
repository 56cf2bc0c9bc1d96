"""The box: reads machines and cameras, judges, signs and keeps what it saw, and sends it."""

__version__ = "0.1.0"
