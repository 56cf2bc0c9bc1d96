"""Names for the registers of a Modbus answer, out of device profiles, for `edge-agent decode`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_agent.codecs.modbus_rtu import Response, describe, find
from edge_agent.config.profiles import Profile, known_profiles, load_profile
from edge_agent.config.schema import ConfigurationError, closest
from edge_agent.drivers.modbus_naming import first_register, named_values, profile_that_explains


class NoProfileError(Exception):
    """The profile that was named cannot be used."""


def describer(wanted: str | None, register: int | None) -> Callable[[bytes], dict[str, Any]]:
    """`describe` of modbus_rtu, with the values that a profile names.

    The profile is the wanted one, or when none is wanted the only known one that explains the answer. `register` is the
    first that was asked for, by default the profile's first.
    """
    profiles = [_loaded(wanted)] if wanted is not None else None
    known: list[Profile] = []

    def described(octets: bytes) -> dict[str, Any]:
        told = describe(octets)
        answer = find(octets).adu
        if not isinstance(answer, Response):
            return told
        if profiles is None:
            known.extend([] if known else [load_profile(file) for file in known_profiles(None).values()])
        profile = profiles[0] if profiles else profile_that_explains(known, answer, register)
        start = _start(profile, answer, register)
        if profile is None or start is None:
            return told
        return told | {"profile": profile.id, "register": start} | named_values(profile, answer, start)

    return described


def _start(profile: Profile | None, answer: Response, register: int | None) -> int | None:
    if profile is None or register is not None:
        return register
    return first_register(profile, answer.function)


def _loaded(wanted: str) -> Profile:
    files = known_profiles(None)
    file = Path(wanted) if wanted.endswith(".toml") else files.get(wanted)
    if file is None:
        raise NoProfileError(f"There is no profile {wanted}{closest(wanted, files)}; known are {', '.join(files)}.")
    try:
        return load_profile(file)
    except ConfigurationError as wrong:
        raise NoProfileError(str(wrong)) from wrong
