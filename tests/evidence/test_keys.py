"""Keys: what one signs the other half checks; files are private, names are stable."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.errors import KeyFileError, MalformedError, SignatureError
from evidence.keys import _P256_ORDER, Algorithm, PublicKey, SigningKey
from tests.evidence import strategies as some


@given(some.keys, st.binary(max_size=100))
def test_a_signature_fits_its_message_and_no_other(key: SigningKey, message: bytes) -> None:
    signature = key.sign(message)
    assert len(signature) == 64
    key.public.verify(signature, message)
    for wrong in (message + b"\x00", b"other" + message):
        with pytest.raises(SignatureError):
            key.public.verify(signature, wrong)


@given(st.binary(max_size=50))
def test_the_high_s_twin_of_a_p256_signature_is_refused(message: bytes) -> None:
    key = some.KEYS[Algorithm.ESP256]
    signature = key.sign(message)
    s = int.from_bytes(signature[32:], "big")
    assert s <= _P256_ORDER // 2
    twin = signature[:32] + (_P256_ORDER - s).to_bytes(32, "big")
    with pytest.raises(SignatureError):
        key.public.verify(twin, message)


@given(some.keys, st.binary(max_size=80))
def test_noise_is_no_signature(key: SigningKey, noise: bytes) -> None:
    with pytest.raises(SignatureError):
        key.public.verify(noise, b"message")


@given(some.keys)
def test_a_public_key_comes_back_from_its_cose_key(key: SigningKey) -> None:
    again = PublicKey.from_cose_key(key.public.to_cose_key())
    assert again == key.public
    assert (again.kid, again.fingerprint) == (key.public.kid, key.public.fingerprint)
    assert again.fingerprint.replace("-", "")[:16] == again.kid.hex()


def test_the_thumbprint_is_that_of_rfc_9679() -> None:
    """RFC 9679 section 5.6: the P-256 example key of the RFC."""
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    key = PublicKey.from_raw(Algorithm.ESP256, x + y)
    assert key.thumbprint.hex() == "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"


@pytest.mark.parametrize(
    "changed", [{3: -8}, {3: None}, {-1: 1}, {-2: b""}, {-2: bytes(31)}, {2: b"kid"}, {1: 2}, {-4: b"d"}, {-2: None}]
)
def test_any_other_cose_key_is_refused(changed: dict[int, object]) -> None:
    parameters = cbor.decode(some.KEYS[Algorithm.ED25519].public.to_cose_key(), at_most=100)
    with pytest.raises(MalformedError):
        PublicKey.from_cose_key(cbor.encode(parameters | changed))


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(MalformedError):
        PublicKey.from_raw(Algorithm.ESP256, bytes(63) + b"\x01")


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_file_is_private_and_comes_back(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "key"
    key = SigningKey.generate(algorithm)
    key.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == key.public


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    SigningKey.generate().save(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError):
        SigningKey.generate().save(path)
    assert path.read_bytes() == before


def test_a_key_file_that_others_may_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "key"
    SigningKey.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SigningKey.load(path)


def test_files_that_hold_no_key_of_ours_are_refused(tmp_path: Path) -> None:
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    for i, content in enumerate(
        (
            b"",
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            ec.generate_private_key(ec.SECP384R1()).private_bytes(*pem),
            x25519.X25519PrivateKey.generate().private_bytes(*pem),
        )
    ):
        path = tmp_path / str(i)
        path.touch(mode=0o600)
        path.write_bytes(content)
        with pytest.raises(KeyFileError):
            SigningKey.load(path)
    with pytest.raises(KeyFileError):
        SigningKey.load(tmp_path / "absent")


def test_a_private_key_is_never_printed() -> None:
    key = SigningKey.generate()
    assert "Private" not in repr(key.public)
    assert os.linesep not in repr(key.public)


def test_a_key_that_systemd_hands_over_may_be_readable_by_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "signing.key"
    key = SigningKey.generate()
    key.save(path)
    path.chmod(0o440)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SigningKey.load(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert SigningKey.load(path).public == key.public
    path.chmod(0o444)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SigningKey.load(path)
