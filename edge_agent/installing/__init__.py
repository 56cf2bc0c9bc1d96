"""The installer's bench: what `scan`, `identify`, `calibrate` and `watch-line` decide and draw."""
