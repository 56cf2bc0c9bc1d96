"""Every way in which a token can be somebody else's, old, used, or made to be believed."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from cloud_sync.auth import LEEWAY_S, LIFETIME_S, TOKENS_LIMIT, Doorkeeper, TooManyError, UnauthorizedError
from cloud_sync.store import Bank
from evidence.keys import Algorithm, SigningKey
from tests.cloud.tokens import token

NOW_S = 1_790_000_000
BANK, OTHER, P256 = SigningKey.generate(), SigningKey.generate(), SigningKey.generate(Algorithm.ESP256)
BANKS = [
    Bank(bank="bank-1", key=BANK.public, added_ms=1),
    Bank(bank="bank-2", key=OTHER.public, added_ms=1),
    Bank(bank="bank-3", key=P256.public, added_ms=1),
]


@pytest.fixture
def door() -> Doorkeeper:
    return Doorkeeper(lambda: BANKS, receiver="suzhou", began_ms=(NOW_S - 3600) * 1000)


def ask(door: Doorkeeper, made: str | None, *, at_s: int = NOW_S) -> str:
    return door.bank_of(None if made is None else f"Bearer {made}", now_ms=at_s * 1000)


def made(key: SigningKey = BANK, bank: str = "bank-1", **changes: Any) -> str:  # noqa: ANN401
    return token(key, bank=bank, receiver="suzhou", now_s=NOW_S, **changes)


def test_a_bank_is_let_in_with_either_kind_of_key(door: Doorkeeper) -> None:
    assert ask(door, made()) == "bank-1"
    assert ask(door, made(P256, "bank-3")) == "bank-3"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "shanghai"}, "the token is for 'shanghai'"),
        ({"aud": ["suzhou"]}, "as text"),
        ({"iss": "bank-2"}, "not the bank whose key signed"),
        ({"iss": None}, "as text"),
        ({"exp": NOW_S + LIFETIME_S + 1, "iat": NOW_S}, "lives at most 300 s"),
        ({"exp": NOW_S, "iat": NOW_S}, "lives at most"),
        ({"exp": NOW_S - LEEWAY_S, "iat": NOW_S - 100}, "not valid now"),
        ({"iat": NOW_S + LEEWAY_S + 1, "exp": NOW_S + 60}, "not valid now"),
        ({"iat": NOW_S - 3601, "exp": NOW_S - 3500}, "not valid now"),
        ({"iat": float(NOW_S)}, "whole seconds"),
        ({"iat": True}, "whole seconds"),
        ({"exp": str(NOW_S)}, "whole seconds"),
        ({"jti": ""}, "as text"),
        ({"jti": "x" * 65}, "as text"),
        ({"jti": 7}, "as text"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(door: Doorkeeper, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UnauthorizedError, match=why):
        ask(door, made(**changes))


def test_a_token_counts_once(door: Doorkeeper) -> None:
    once = made()
    ask(door, once)
    with pytest.raises(UnauthorizedError, match="used before"):
        ask(door, once)


def test_another_banks_token_id_does_not_get_in_the_way(door: Doorkeeper) -> None:
    assert ask(door, made(jti="same")) == "bank-1"
    assert ask(door, made(OTHER, "bank-2", jti="same")) == "bank-2"


def test_a_token_from_before_the_start_is_refused_because_its_use_may_be_forgotten() -> None:
    door = Doorkeeper(lambda: BANKS, receiver="suzhou", began_ms=NOW_S * 1000)
    with pytest.raises(UnauthorizedError, match="before this receiver started"):
        ask(door, made(iat=NOW_S - 5, exp=NOW_S + 60), at_s=NOW_S + 1)
    assert ask(door, made()) == "bank-1"


def test_so_many_requests_that_they_cannot_be_remembered_are_refused_until_the_old_ones_end(door: Doorkeeper) -> None:
    door._used["bank-1"] = {str(i): NOW_S + 60 for i in range(TOKENS_LIMIT)}
    with pytest.raises(TooManyError, match="ask for larger pages"):
        ask(door, made())
    assert ask(door, made(OTHER, "bank-2")) == "bank-2"
    late_s = NOW_S + 61 + LEEWAY_S
    assert ask(door, token(BANK, bank="bank-1", receiver="suzhou", now_s=late_s), at_s=late_s) == "bank-1"
    assert len(door._used["bank-1"]) == 1


def test_a_key_that_was_replaced_opens_no_door() -> None:
    banks = list(BANKS)
    door = Doorkeeper(lambda: banks, receiver="suzhou", began_ms=0)
    assert ask(door, made()) == "bank-1"
    banks[0] = Bank(bank="bank-1", key=SigningKey.generate().public, added_ms=2)
    with pytest.raises(UnauthorizedError, match="no bank has a key"):
        ask(door, made())


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer a.b", "Bearer a.b.c", "Bearer ..", "Bearer é.é.é"]
)
def test_what_is_no_token_is_refused(door: Doorkeeper, header: str | None) -> None:
    with pytest.raises(UnauthorizedError):
        door.bank_of(header, now_ms=NOW_S * 1000)


def test_a_huge_token_is_refused_before_it_is_read(door: Doorkeeper) -> None:
    with pytest.raises(UnauthorizedError, match="at most 4096"):
        ask(door, "a" * 5000)


def forged(made_: str, header: dict[str, Any] | None = None, **claims: Any) -> str:  # noqa: ANN401
    """The token with its header or claims exchanged, its signature kept."""
    old_header, old_claims, signature = made_.split(".")
    new = [_json(old_header) | (header or {}), _json(old_claims) | claims]
    return ".".join([*(urlsafe_b64encode(json.dumps(n).encode()).rstrip(b"=").decode() for n in new), signature])


def _json(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=="))
    return found


def test_changed_claims_do_not_fit_the_signature(door: Doorkeeper) -> None:
    with pytest.raises(UnauthorizedError, match="not a JWT signed by"):
        ask(door, forged(made(), exp=NOW_S + 200))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"alg": "ES256"},
        {"kid": OTHER.public.kid.hex()},
        {"kid": None},
        {"kid": ["x"]},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "http://example.org/keys"},
        {"crit": ["exp"]},
        {"b64": False},
        {"typ": "at+jwt"},
    ],
)
def test_a_header_that_would_change_the_checking_is_refused(door: Doorkeeper, header: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError):
        ask(door, forged(made(), header))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(door: Doorkeeper) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    claims = {"iss": "bank-1", "aud": "suzhou", "iat": NOW_S, "exp": NOW_S + 60, "jti": "1"}
    secret = OctKey.import_key(BANK.public.raw)
    fake = jwt.encode({"alg": "HS256", "kid": BANK.public.kid.hex()}, claims, secret, algorithms=["HS256"])
    with pytest.raises(UnauthorizedError):
        ask(door, fake)
