"""Vectors that others published: COSE, Wycheproof, CBOR appendix A. Skipped where they are not beside the tree."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import cbor2
import pytest

from evidence import cbor, cose
from evidence.errors import MalformedError, RefusedError, SignatureError
from evidence.keys import _P256_ORDER, Algorithm, PublicKey

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"


def load(name: str) -> Any:  # noqa: ANN401
    path = VECTORS / name
    if not path.exists():
        pytest.skip(f"no published vectors at {path}")
    return json.loads(path.read_text())


def found(folder: str) -> list[str]:
    """Names of the files in a folder, or one name that makes the test skip."""
    return sorted(str(p.relative_to(VECTORS)) for p in (VECTORS / folder).glob("*.json")) or [f"{folder}/absent.json"]


# COSE

COSE = found("cose/sign1-tests") + found("cose/ecdsa-examples") + found("cose/eddsa-examples")


def cose_key(key: dict[str, str]) -> PublicKey | None:
    """The vector's key, where it is of a kind we know."""

    def coordinate(name: str) -> bytes:
        return bytes.fromhex(key[f"{name}_hex"]) if f"{name}_hex" in key else urlsafe_b64decode(key[name] + "==")

    match key["crv"]:
        case "P-256":
            return PublicKey.from_raw(Algorithm.ESP256, coordinate("x") + coordinate("y"))
        case "Ed25519":
            return PublicKey.from_raw(Algorithm.ED25519, coordinate("x"))
    return None


def has_high_s(signature: bytes) -> bool:
    return int.from_bytes(signature[32:], "big") > _P256_ORDER // 2


@pytest.mark.parametrize(
    "name", found("cose/sign1-tests") + found("cose/ecdsa-examples") + found("cose/eddsa-examples")
)
def test_cose_examples_are_signed_over_the_bytes_that_we_would_sign(name: str) -> None:
    vector = load(name)
    if "sign0" not in vector["input"]:
        pytest.skip("COSE_Sign, not COSE_Sign1")
    signer = vector["input"]["sign0"]
    key, algorithm = cose_key(signer["key"]), signer.get("protected", {}).get("alg", "ES256")
    if key is None or algorithm not in ("ES256", "EdDSA"):
        pytest.skip(f"{signer['key']['crv']} with {algorithm} is not ours")
    document = cbor2.loads(bytes.fromhex(vector["output"]["cbor"]))
    protected, _, payload, signature = document.value if isinstance(document, cbor2.CBORTag) else document
    protected = b"" if protected == b"\xa0" else protected  # RFC 9052 section 4.4: an empty map is signed as h''
    external = bytes.fromhex(signer.get("external", ""))
    signed = cose.signed_bytes(protected, external, payload)
    is_good = not vector.get("fail") or "ChangeCBORTag" in vector["input"]["failures"]
    if is_good:
        assert signed == bytes.fromhex(vector["intermediates"]["ToBeSign_hex"])
    if is_good and not (key.algorithm is Algorithm.ESP256 and has_high_s(signature)):
        key.verify(signature, signed)
    else:
        with pytest.raises(SignatureError):
            key.verify(signature, signed)


@pytest.mark.parametrize(
    "name", found("cose/sign1-tests") + found("cose/ecdsa-examples") + found("cose/eddsa-examples")
)
def test_no_cose_example_passes_for_a_document_of_ours(name: str) -> None:
    """They are good COSE; ours has one shape of header only."""
    vector = load(name)
    signer = vector["input"].get("sign0") or vector["input"]["sign"]["signers"][0]
    key = cose_key(signer["key"])
    with pytest.raises(RefusedError):
        cose.open1(bytes.fromhex(vector["output"]["cbor"]), aad=b"", key_of=lambda _: key, at_most=10_000)


# Wycheproof


def test_wycheproof_ed25519() -> None:
    """Exactly as the vectors say."""
    checked = 0
    for group in load("wycheproof/ed25519_test.json")["testGroups"]:
        key = PublicKey.from_raw(Algorithm.ED25519, bytes.fromhex(group["publicKey"]["pk"]))
        for test in group["tests"]:
            assert verifies(key, test) == (test["result"] == "valid"), test
            checked += 1
    assert checked == 151


def test_wycheproof_p256_with_raw_r_and_s() -> None:
    """As the vectors say, but stricter: of the two valid signatures (r, s) and (r, n - s), only the one with low s."""
    checked = stricter = 0
    for group in load("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]:
        key = PublicKey.from_raw(Algorithm.ESP256, bytes.fromhex(group["publicKey"]["uncompressed"])[1:])
        for test in group["tests"]:
            signature = bytes.fromhex(test["sig"])
            if test["result"] == "valid" and has_high_s(signature):
                low = (_P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
                assert not verifies(key, test), test
                assert verifies(key, test | {"sig": (signature[:32] + low).hex()}), test
                stricter += 1
            else:
                assert verifies(key, test) == (test["result"] == "valid"), test
            checked += 1
    assert checked == 262
    assert stricter > 0


def verifies(key: PublicKey, test: dict[str, str]) -> bool:
    try:
        key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
    except SignatureError:
        return False
    return True


# CBOR


def is_ours(value: object, encoded: bytes) -> bool:
    """Whether the vector lies in the subset: no float, boolean, tag, indefinite length; keys all short or all text."""
    match value:
        case bool() | float():
            return False
        case int():
            return -(1 << 64) <= value < 1 << 64 and encoded[0] >> 5 in (0, 1)
        case None | str() | bytes():
            return encoded[0] >> 5 in (2, 3, 7)
        case list():
            return all(is_ours(inner, cbor2.dumps(inner)) for inner in value)
        case dict():
            return all(type(key) is str or (type(key) is int and -24 <= key < 24) for key in value) and all(
                is_ours(inner, cbor2.dumps(inner)) for inner in value.values()
            )
    return False


def test_cbor_appendix_a() -> None:
    """What lies in the subset comes back byte for byte; everything else is refused."""
    taken = refused = 0
    for vector in load("cbor/appendix_a.json"):
        encoded = bytes.fromhex(vector["hex"])
        try:
            value = cbor2.loads(encoded)
        except cbor2.CBORDecodeError:
            value = Ellipsis
        if is_ours(value, encoded) and vector["roundtrip"] and encoded[0] & 31 != 31:
            assert cbor.decode(encoded, at_most=1000) == value
            assert cbor.encode(value) == encoded
            assert "decoded" not in vector or value == vector["decoded"]
            taken += 1
        else:
            with pytest.raises(MalformedError):
                cbor.decode(encoded, at_most=1000)
            refused += 1
    assert (taken, refused) == (35, 47)
