"""The exceptions of `evidence`: what was promised to be well-formed and is not."""


class EvidenceError(Exception):
    """Anything in `evidence` that a caller may want to catch at once."""


class RefusedError(EvidenceError):
    """Bytes from outside are not what they claim to be; nothing of them may be used."""


class MalformedError(RefusedError):
    """Not deterministic CBOR of the expected shape (wire-format.md)."""


class SignatureError(RefusedError):
    """The signature does not fit the bytes, or no known key made it."""


class KeyFileError(EvidenceError):
    """A key file is missing, unreadable or open to others."""


class FeedError(EvidenceError):
    """The receiver's feed cannot be reached or does not answer as wire-format.md says."""


class CopyError(EvidenceError):
    """The directory is not a copy that can be gone on with."""


class StrangerError(EvidenceError):
    """The receiver is not the one whose fingerprint was given, or signs with a key that was not vouched for."""
