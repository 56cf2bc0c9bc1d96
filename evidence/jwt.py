"""The token with which a bank asks for its feed: a JWT (RFC 7519) that it signs itself, good for one request.

Written by hand, so that a bank needs nothing but `cryptography`; the receiver reads it with a library of its own.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from evidence.keys import Algorithm, SigningKey

LIFETIME_S: Final = 120
"""The receiver takes tokens of up to 300 s; a request needs seconds, and the two clocks may differ a little."""

_ALGORITHMS: Final = {Algorithm.ED25519: "Ed25519", Algorithm.ESP256: "ES256"}


def sign_token(key: SigningKey, *, bank: str, receiver: str, now_s: int, token_id: str) -> str:
    """A compact JWS (RFC 7515): header alg and kid, claims iss, aud, iat, exp, jti."""
    header = {"alg": _ALGORITHMS[key.public.algorithm], "kid": key.public.kid.hex()}
    claims = {"iss": bank, "aud": receiver, "iat": now_s, "exp": now_s + LIFETIME_S, "jti": token_id}
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def _encoded(what: Mapping[str, object]) -> str:
    return _base64url(json.dumps(what, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
