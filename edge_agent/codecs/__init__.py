"""Frames of the field's protocols as values: pure, no I/O. The lines they travel on are in `edge_agent.drivers`."""
