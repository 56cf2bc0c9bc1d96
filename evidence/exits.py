"""The one table of exit codes of `edge-agent`, `cloud-sync` and `evidence`."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code tells the shell that called it."""

    OK = 0
    WRONG_OUT_THERE = 1
    USAGE = 2
    CONFIGURATION = 3
    HARDWARE = 4
    EVIDENCE_BROKEN = 5


EXIT_CODES_HELP = """exit codes:
  0  fine
  1  something is wrong out there (a device, a network, a peer)
  2  usage: the command line is wrong
  3  configuration: a file is wrong
  4  hardware: a port, a camera or a disk is not there
  5  evidence is broken: a signature, a chain or a fork
"""
