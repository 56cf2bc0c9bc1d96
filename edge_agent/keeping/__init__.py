"""From readings to signed statements on the disk: windows, judging, sealing, the spool."""
