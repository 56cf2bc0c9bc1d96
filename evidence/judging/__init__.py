"""Judging, and judging again: pure, integers alone, the very same code on the box and at the bank."""
