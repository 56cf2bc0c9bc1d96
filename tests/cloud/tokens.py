"""A bank's token, written by hand as RFC 7515 and 7519 say, so that the receiver's library is not tested by itself."""

import json
from base64 import urlsafe_b64encode
from itertools import count
from typing import Any

from evidence.keys import Algorithm, SigningKey

_NUMBERS = count()


def token(key: SigningKey, *, bank: str, receiver: str, now_s: int, **changes: Any) -> str:  # noqa: ANN401
    """A token good for a minute; `changes` replace claims, None leaves one out."""
    algorithm = "Ed25519" if key.public.algorithm is Algorithm.ED25519 else "ES256"
    claims = {"iss": bank, "aud": receiver, "iat": now_s, "exp": now_s + 60, "jti": f"t{next(_NUMBERS)}"} | changes
    header = {"alg": algorithm, "kid": key.public.kid.hex()}
    parts = [_part(header), _part({name: value for name, value in claims.items() if value is not None})]
    signed = ".".join(parts)
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def _part(content: dict[str, Any]) -> str:
    return _base64url(json.dumps(content).encode())


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
