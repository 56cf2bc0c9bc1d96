"""Who asks for the feed: short-lived tokens that a bank signs with its own key (RFC 7519, RFC 7523).

The one door to `joserfc`.

The rules, in order; the first that does not hold refuses the request:
1. The token is compact, at most TOKEN_LIMIT bytes, and its header is exactly alg and kid (and typ JWT).
2. kid names the key that the receiver has stored for a bank; alg is the one algorithm of that key.
3. The signature fits.
4. iss is that bank, aud is this receiver.
5. It is used between iat and exp, give or take LEEWAY_S, and exp is at most LIFETIME_S after iat.
6. It was signed after this process began: what was used before a restart is not remembered.
7. Its jti was not used before.

Nothing is kept on disk. If a bank's private key is stolen, the thief reads what the bank may read until
`cloud-sync bank add` gives the bank a new key.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from cloud_sync.errors import CloudSyncError
from cloud_sync.store import Bank
from evidence.keys import Algorithm, PublicKey

TOKEN_LIMIT: Final = 4096
LIFETIME_S: Final = 300
LEEWAY_S: Final = 10
"""How far the bank's clock may be from ours."""
JTI_LIMIT: Final = 64
"""Characters of a token's id, at most."""
TOKENS_LIMIT: Final = 10_000
"""Tokens of one bank that are remembered at a time, at most; more requests than that are refused, not forgotten."""

_ALGORITHM: Final = {Algorithm.ED25519: "Ed25519", Algorithm.ESP256: "ES256"}


class UnauthorizedError(CloudSyncError):
    """The token does not say who asks; the message may be shown to the asker."""


class TooManyError(CloudSyncError):
    """A bank asks more often than is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says, typed."""

    bank: str
    audience: str
    issued_s: int
    expires_s: int
    token: str


class Doorkeeper:
    """Lets banks in. Safe to call from several threads."""

    def __init__(self, banks: Callable[[], Sequence[Bank]], *, receiver: str, began_ms: int) -> None:
        """`banks` is asked at every request, so that a new key counts at once."""
        self._banks, self._receiver, self._began_s = banks, receiver, began_ms // 1000
        self._used: dict[str, dict[str, int]] = {}
        """By bank: token id to when it ends."""
        self._lock = Lock()

    def bank_of(self, authorization: str | None, *, now_ms: int) -> str:
        """The bank that sent this Authorization header. Raises UnauthorizedError or TooManyError."""
        claims = self._read(authorization)
        now_s = now_ms // 1000
        if claims.audience != self._receiver:
            raise UnauthorizedError(f"the token is for {claims.audience!r:.60}, this is {self._receiver}")
        if not 0 < claims.expires_s - claims.issued_s <= LIFETIME_S:
            raise UnauthorizedError(f"a token lives at most {LIFETIME_S} s")
        if not claims.issued_s - LEEWAY_S <= now_s < claims.expires_s + LEEWAY_S:
            raise UnauthorizedError(f"the token is not valid now ({now_s} by this clock): is the asker's clock right?")
        if claims.issued_s < self._began_s:
            raise UnauthorizedError("the token was signed before this receiver started: sign a new one")
        self._use(claims, now_s)
        return claims.bank

    def _read(self, authorization: str | None) -> Claims:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthorizedError("an Authorization header with a bearer token is needed")
        if len(token) > TOKEN_LIMIT:
            raise UnauthorizedError(f"a token has at most {TOKEN_LIMIT} bytes")
        try:
            header = jws.extract_compact(token.encode()).headers()
            bank = self._bank_with(header)
            decoded = jwt.decode(token, _jwk(bank.key), algorithms=[_ALGORITHM[bank.key.algorithm]])
        except (JoseError, ValueError, TypeError, KeyError) as cause:
            raise UnauthorizedError("the token is not a JWT signed by a bank's key") from cause
        claims = _claims(decoded.claims)
        if claims.bank != bank.bank:
            raise UnauthorizedError("the token's iss is not the bank whose key signed it")
        return claims

    def _bank_with(self, header: dict[str, Any]) -> Bank:
        rest = {name: value for name, value in header.items() if name not in ("alg", "kid")}
        if rest not in ({}, {"typ": "JWT"}):
            raise UnauthorizedError("a token's header has alg and kid, and typ JWT if anything")
        for bank in self._banks():
            if bank.key.kid.hex() == header.get("kid") and _ALGORITHM[bank.key.algorithm] == header.get("alg"):
                return bank
        raise UnauthorizedError("no bank has a key with this kid and alg")

    def _use(self, claims: Claims, now_s: int) -> None:
        with self._lock:
            used = self._used.setdefault(claims.bank, {})
            if len(used) >= TOKENS_LIMIT:
                used = self._used[claims.bank] = {t: end_s for t, end_s in used.items() if end_s + LEEWAY_S > now_s}
            if claims.token in used:
                raise UnauthorizedError("the token was used before: sign a new one for every request")
            if len(used) >= TOKENS_LIMIT:
                raise TooManyError(f"more than {TOKENS_LIMIT} requests in {LIFETIME_S} s: ask for larger pages")
            used[claims.token] = claims.expires_s


def _claims(claims: dict[str, Any]) -> Claims:
    match claims:
        case {"iss": str(bank), "aud": str(audience), "iat": int(issued_s), "exp": int(expires_s), "jti": str(token)}:
            if bool not in (type(issued_s), type(expires_s)) and 0 < len(token) <= JTI_LIMIT:
                return Claims(bank=bank, audience=audience, issued_s=issued_s, expires_s=expires_s, token=token)
    raise UnauthorizedError("a token has iss, aud and jti as text, iat and exp as whole seconds")


def _jwk(key: PublicKey) -> OKPKey | ECKey:
    if key.algorithm is Algorithm.ED25519:
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.raw)})
    half = len(key.raw) // 2
    return ECKey.import_key(
        {"kty": "EC", "crv": "P-256", "x": _base64url(key.raw[:half]), "y": _base64url(key.raw[half:])}
    )


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
