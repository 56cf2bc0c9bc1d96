"""The certificate authority: what it issues, what it refuses, what it never overwrites."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.ca import (
    CLIENT_LIFETIME,
    CSR_LIMIT,
    NAMES_LIMIT,
    RENEW_BEFORE,
    Authority,
    Role,
    create_key,
    open_or_create,
    signing_request,
)
from cloud_sync.errors import AuthorityError

AT_MS = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "ca", name="Test", at_ms=AT_MS)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_key(tmp_path / "tls.key")
    return tmp_path / "tls.key"


def box_request(key: Path, name: str = "press-1") -> bytes:
    return signing_request(key, role=Role.BOX, name=name)


def parsed(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=60)


def test_the_authority_signs_leaves_only_for_ten_years(authority: Authority) -> None:
    own = parsed(authority.pem)
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = own.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert own.not_valid_after_utc.year - datetime.fromtimestamp(AT_MS / 1000, UTC).year == 10


def test_keys_are_readable_by_their_owner_alone(authority: Authority, key: Path) -> None:
    for path in (authority.directory / "ca.key", key):
        assert path.stat().st_mode & 0o777 == 0o600


def test_an_authority_is_never_overwritten(authority: Authority) -> None:
    before = (authority.directory / "ca.key").read_bytes()
    with pytest.raises(AuthorityError, match="never overwritten"):
        Authority.create(authority.directory, name="Other", at_ms=AT_MS)
    assert (authority.directory / "ca.key").read_bytes() == before


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(AuthorityError, match="never overwritten"):
        create_key(key)
    assert key.read_bytes() == before
    assert [path.name for path in key.parent.iterdir()] == [key.name]


def test_a_creation_stopped_after_the_key_is_finished_with_that_key(tmp_path: Path) -> None:
    (tmp_path / "ca" / "issued").mkdir(parents=True)
    create_key(tmp_path / "ca" / "ca.key")
    before = (tmp_path / "ca" / "ca.key").read_bytes()
    authority = open_or_create(tmp_path / "ca", name="Test", at_ms=AT_MS)
    assert (tmp_path / "ca" / "ca.key").read_bytes() == before
    assert open_or_create(tmp_path / "ca", name="Test", at_ms=AT_MS + DAY_MS).pem == authority.pem


def test_a_lost_certificate_of_an_authority_in_use_is_not_replaced(authority: Authority, key: Path) -> None:
    authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=AT_MS)
    authority.certificate_file.unlink()
    with pytest.raises(AuthorityError, match=r"ca\.pem"):
        open_or_create(authority.directory, name="Test", at_ms=AT_MS)


def test_files_of_two_authorities_do_not_mix(authority: Authority, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", name="Test", at_ms=AT_MS)
    authority.certificate_file.write_bytes(other.pem)
    with pytest.raises(AuthorityError, match="does not belong"):
        Authority.open(authority.directory)


def test_an_authority_key_open_to_others_is_not_used(authority: Authority) -> None:
    (authority.directory / "ca.key").chmod(0o640)
    with pytest.raises(AuthorityError, match="chmod 600"):
        Authority.open(authority.directory)


@pytest.mark.parametrize(
    ("role", "common_name"), [(Role.BOX, "press-1"), (Role.RECEIVER, "receiver.press-1")], ids=["box", "receiver"]
)
def test_a_client_certificate_is_for_that_client_and_for_nothing_else(
    authority: Authority, key: Path, role: Role, common_name: str
) -> None:
    request = signing_request(key, role=role, name="press-1")
    issued = authority.issue_client(request, role=role, name="press-1", at_ms=AT_MS)
    certificate = parsed(issued.pem)
    assert issued.name == common_name
    assert [a.value for a in certificate.subject] == [common_name]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(parsed(authority.pem))
    assert certificate.not_valid_before_utc < datetime.fromtimestamp(AT_MS / 1000, UTC)


def test_openssl_takes_each_certificate_for_its_own_purpose_only(
    authority: Authority, key: Path, tmp_path: Path
) -> None:
    now_ms = int(datetime.now(UTC).timestamp()) * 1000
    for file, issued in {
        "client.pem": authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=now_ms),
        "server.pem": authority.issue_server(key, hosts=["broker.example", "10.0.0.5", "::1"], at_ms=now_ms),
    }.items():
        (tmp_path / file).write_bytes(issued.pem)
    for file, purpose, fits in (
        ("client.pem", "sslclient", True),
        ("client.pem", "sslserver", False),
        ("server.pem", "sslserver", True),
        ("server.pem", "sslclient", False),
    ):
        crl = ("-crl_check", "-CRLfile", authority.crl_file, "-x509_strict")
        ca = ("-CAfile", authority.certificate_file)
        verdict = openssl("verify", *ca, *crl, "-purpose", purpose, tmp_path / file)
        assert (verdict.returncode == 0) is fits, verdict.stderr.decode()


@pytest.mark.parametrize("name", ["", "-a", "A", "a" * 41, "a/b", "a+", "#", "a.b", "receiver.main", "ä", "a\n", "a "])
@pytest.mark.parametrize("role", Role)
def test_what_is_no_name_gets_no_certificate(authority: Authority, key: Path, role: Role, name: str) -> None:
    with pytest.raises(AuthorityError, match="is no name"):
        authority.issue_client(box_request(key), role=role, name=name, at_ms=AT_MS)
    assert not list((authority.directory / "issued").iterdir())


def test_a_request_for_one_box_gives_no_certificate_for_another(authority: Authority, key: Path) -> None:
    for role, name in ((Role.BOX, "press-2"), (Role.RECEIVER, "press-1")):
        with pytest.raises(AuthorityError, match=r"not (receiver\.)?press-"):
            authority.issue_client(box_request(key, "press-1"), role=role, name=name, at_ms=AT_MS)


def test_a_request_with_two_common_names_is_refused(authority: Authority) -> None:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("press-1", "receiver.main")]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    csr = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    with pytest.raises(AuthorityError, match="not press-1"):
        authority.issue_client(csr.public_bytes(serialization.Encoding.DER), role=Role.BOX, name="press-1", at_ms=AT_MS)


def test_what_a_request_asks_for_beyond_its_key_is_not_granted(authority: Authority) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press-1")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = request.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    csr = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    issued = authority.issue_client(
        csr.public_bytes(serialization.Encoding.DER), role=Role.BOX, name="press-1", at_ms=AT_MS
    )
    assert not parsed(issued.pem).extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_request_signed_by_another_key_is_refused(authority: Authority, key: Path) -> None:
    csr = bytearray(box_request(key))
    csr[-1] ^= 1
    with pytest.raises(AuthorityError, match="signing request"):
        authority.issue_client(bytes(csr), role=Role.BOX, name="press-1", at_ms=AT_MS)


def test_a_request_with_a_key_of_another_curve_is_refused(authority: Authority) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press-1")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    csr = request.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256())
    with pytest.raises(AuthorityError, match="P-256"):
        authority.issue_client(csr.public_bytes(serialization.Encoding.DER), role=Role.BOX, name="press-1", at_ms=AT_MS)


@given(noise=st.binary(max_size=300) | st.binary(min_size=CSR_LIMIT + 1, max_size=CSR_LIMIT + 9))
def test_noise_is_no_signing_request(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = open_or_create(tmp_path_factory.getbasetemp() / "noise", name="Test", at_ms=AT_MS)
    with pytest.raises(AuthorityError):
        authority.issue_client(noise, role=Role.BOX, name="press-1", at_ms=AT_MS)


@given(at=st.integers(min_value=0, max_value=10_000), to=st.integers(min_value=0, max_value=255))
def test_a_damaged_request_is_refused_or_means_the_same(
    at: int, to: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.getbasetemp() / "damaged"
    authority = open_or_create(directory, name="Test", at_ms=AT_MS)
    if not (directory / "box.key").exists():
        create_key(directory / "box.key")
    csr = bytearray(box_request(directory / "box.key"))
    csr[at % len(csr)] = to
    try:
        issued = authority.issue_client(bytes(csr), role=Role.BOX, name="press-1", at_ms=AT_MS)
    except AuthorityError:
        return
    assert issued.name == "press-1"


def test_the_same_key_gets_the_same_certificate_until_it_is_due(authority: Authority, key: Path) -> None:
    def ask(at_ms: int) -> bytes:
        return authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=at_ms).pem

    first = ask(AT_MS)
    due_ms = AT_MS + (CLIENT_LIFETIME - RENEW_BEFORE).days * DAY_MS
    assert ask(AT_MS + DAY_MS) == first
    assert ask(due_ms - DAY_MS) == first
    renewed = ask(due_ms)
    assert renewed != first
    assert ask(due_ms + DAY_MS) == renewed


def test_a_broker_with_another_name_gets_another_certificate(authority: Authority, key: Path) -> None:
    one = authority.issue_server(key, hosts=["a.example"], at_ms=AT_MS)
    assert authority.issue_server(key, hosts=["a.example"], at_ms=AT_MS + DAY_MS) == one
    two = authority.issue_server(key, hosts=["a.example", "10.0.0.5"], at_ms=AT_MS)
    names = parsed(two.pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]


@pytest.mark.parametrize("hosts", [[], ["a b"], ["-a"], ["*.example"], ["a\n"], ["a" * 64], ["a"] * (NAMES_LIMIT + 1)])
def test_what_is_no_host_name_gets_no_certificate(authority: Authority, key: Path, hosts: list[str]) -> None:
    with pytest.raises(AuthorityError, match=r"host name|names"):
        authority.issue_server(key, hosts=hosts, at_ms=AT_MS)


def test_no_certificate_outlives_the_authority(authority: Authority, key: Path) -> None:
    end = parsed(authority.pem).not_valid_after_utc
    late_ms = int(end.timestamp()) * 1000 - DAY_MS
    issued = authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=late_ms)
    assert parsed(issued.pem).not_valid_after_utc == end
    with pytest.raises(AuthorityError, match="expired"):
        authority.issue_client(box_request(key, "press-2"), role=Role.BOX, name="press-2", at_ms=late_ms + 2 * DAY_MS)


def test_revoking_lists_every_certificate_of_that_name_once(authority: Authority, key: Path, tmp_path: Path) -> None:
    create_key(tmp_path / "second.key")
    ours = {
        authority.issue_client(box_request(k), role=Role.BOX, name="press-1", at_ms=AT_MS).serial
        for k in (key, tmp_path / "second.key")
    }
    other = authority.issue_client(box_request(key, "press-2"), role=Role.BOX, name="press-2", at_ms=AT_MS)
    assert {i.serial for i in authority.revoke(role=Role.BOX, name="press-1", at_ms=AT_MS)} == ours
    assert authority.revoke(role=Role.BOX, name="press-1", at_ms=AT_MS) == ()
    assert authority.revoked() == ours
    authority.revoke(role=Role.BOX, name="press-2", at_ms=AT_MS)
    assert authority.revoked() == ours | {other.serial}


def test_the_revocation_list_lasts_as_long_as_the_authority(authority: Authority, key: Path) -> None:
    authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=AT_MS)
    for number in (1, 2):
        crl = x509.load_pem_x509_crl(authority.crl_file.read_bytes())
        assert crl.next_update_utc == parsed(authority.pem).not_valid_after_utc
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number
        authority.revoke(role=Role.BOX, name="press-1", at_ms=AT_MS)


def test_a_revoked_key_gets_no_new_certificate_and_a_new_key_does(
    authority: Authority, key: Path, tmp_path: Path
) -> None:
    authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=AT_MS)
    authority.revoke(role=Role.BOX, name="press-1", at_ms=AT_MS)
    with pytest.raises(AuthorityError, match="revoked"):
        authority.issue_client(box_request(key), role=Role.BOX, name="press-1", at_ms=AT_MS)
    create_key(tmp_path / "new.key")
    authority.issue_client(box_request(tmp_path / "new.key"), role=Role.BOX, name="press-1", at_ms=AT_MS)


def test_revoking_an_unknown_name_says_so(authority: Authority) -> None:
    with pytest.raises(AuthorityError, match="is the name right"):
        authority.revoke(role=Role.BOX, name="press-9", at_ms=AT_MS)


def test_revoking_a_box_called_receiver_leaves_the_receiver_alone(authority: Authority, key: Path) -> None:
    request = signing_request(key, role=Role.RECEIVER, name="main")
    receiver = authority.issue_client(request, role=Role.RECEIVER, name="main", at_ms=AT_MS)
    box = authority.issue_client(box_request(key, "receiver"), role=Role.BOX, name="receiver", at_ms=AT_MS)
    assert [i.serial for i in authority.revoke(role=Role.BOX, name="receiver", at_ms=AT_MS)] == [box.serial]
    assert receiver.serial not in authority.revoked()


def test_a_missing_authority_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match=r"cannot read .*ca\.key"):
        Authority.open(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AuthorityError, match="cannot make"):
        Authority.create(tmp_path / "ca", name="Test", at_ms=AT_MS)
