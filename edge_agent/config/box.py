"""The [box] section of a box's file: who it is, and how it keeps what it sees. The signer reads no other."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_agent.config.schema import (
    Choice,
    ConfigurationError,
    FileReference,
    Key,
    Near,
    Reader,
    Text,
    Thousandths,
    Whole,
)
from evidence import bodies
from evidence.bodies import Keep

NAME: Final = Text("a name of a to z, 0 to 9 and -, at most 40 long", bodies.NAME)
KEEP: Final = Choice({"minute": Keep.MINUTE, "every": Keep.EVERY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Who this box is and how it keeps what it sees."""

    id: str
    enterprise: str
    site: str
    signing_key: Path | None
    signer: Path | None = None
    """The socket of the process that has the key; None: each process that signs starts one of its own."""
    spool: Path
    seal_every_ms: int
    heartbeat_every_ms: int
    commit_every_ms: int
    disk_quota_bytes: int
    keep: Keep
    profiles: Path | None
    """A directory with the installer's own profiles, beside those that come with the program."""


BOX: Final = (
    Key(name="id", kind=NAME),
    Key(name="enterprise", kind=Text()),
    Key(name="site", kind=Text()),
    Key(name="signing_key", kind=FileReference(), default=None),
    Key(name="signer", kind=FileReference(), default=None),
    Key(name="spool", kind=FileReference(), default="/var/lib/qianliyan/spool.db"),
    Key(
        name="seal_every_s",
        kind=Thousandths("1", "3600", "seconds"),
        default=300,
        inside="seal_every_ms",
    ),
    Key(
        name="heartbeat_every_s",
        kind=Thousandths("1", "3600", "seconds"),
        default=300,
        inside="heartbeat_every_ms",
    ),
    Key(
        name="commit_every_s",
        kind=Thousandths("0.05", "60", "seconds"),
        default=1,
        inside="commit_every_ms",
    ),
    Key(name="disk_quota_mb", kind=Whole(8, 1_000_000, "megabytes"), default=512),
    Key(name="keep", kind=KEEP, default="minute"),
    Key(name="profiles", kind=FileReference(), default=None),
)


def opened(file: Path, *, credentials: Path | None = None) -> tuple[Reader, dict[str, Any]]:
    """The parsed file, and who complains of it. `credentials`: see load.load. Raises ConfigurationError."""
    if credentials is None and "CREDENTIALS_DIRECTORY" in os.environ:
        credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    reader = Reader(file=file, near=Near(folder=file.absolute().parent, credentials=credentials))
    try:
        text = file.read_bytes()
    except OSError as wrong:
        reader.complain("the file", f"unreadable ({wrong.strerror})", "the box's configuration")
        raise ConfigurationError(reader.complaints) from wrong
    return reader, reader.parse(text)


def load_box(file: Path) -> Box:
    """The section of this file, whatever else is in it. Raises ConfigurationError."""
    reader, root = opened(file)
    box = read_box(reader, root)
    reader.finish()
    assert box is not None  # noqa: S101 - or finish() would have raised
    return box


def read_box(reader: Reader, root: dict[str, Any]) -> Box | None:
    """The section of a parsed file; None when it drew a complaint."""
    if "box" not in root:
        reader.complain("box", "missing", "a table that begins with [box]")
    table = reader.table(root, "box")
    values = None if table is None else reader.section(table, BOX, "box")
    if values is None:
        return None
    if (values["signing_key"] is None) == (values["signer"] is None):
        found = "neither" if values["signer"] is None else "both"
        reader.complain("box.signing_key", found, "a key file, or the socket of `signer`")
        return None
    values["disk_quota_bytes"] = values.pop("disk_quota_mb") * 1_000_000
    return Box(**values)
