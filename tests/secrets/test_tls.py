"""TLS is checked: a certificate that nobody vouches for ends the conversation before the key is sent."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from secrets_kit import API_KEY, Answer, Guarded, Handler, leaks_of, serving

from harvester.clock import SystemClock
from harvester.config import YouTubeSettings
from harvester.support.secret import Secret
from harvester.youtube.client import YouTubeClient


def write_certificate(path: Path) -> None:
    """A key, and a certificate for 127.0.0.1 and api.test that it signed itself, in one file."""
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("api.test")]
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    write_certificate(path)
    return path


@pytest.fixture
def heard() -> list[str]:
    """What the server behind the certificate was asked."""
    return []


@pytest.fixture
def untrusted(certificate: Path, heard: list[str]) -> Iterator[str]:
    def answer(asked: Handler) -> Answer:
        heard.append(asked.path)
        return 200, "text/plain", b"song\n0000000000A\n"

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(answer, tls) as address:
        yield address


async def test_the_client_refuses_before_anything_is_sent(untrusted: str, heard: list[str]) -> None:
    settings = YouTubeSettings(base_url=untrusted)
    async with YouTubeClient(
        settings, Secret(API_KEY), concurrency=1, timeout_seconds=10, clock=SystemClock()
    ) as client:
        outcome = await client.fetch(["0000000000A"])
    assert (outcome.reason, outcome.sent) == ("tls_failed", False)
    assert heard == []


def test_a_run_says_so(guarded: Guarded, untrusted: str, heard: list[str]) -> None:
    guarded.env["HARVESTER_YOUTUBE__BASE_URL"] = untrusted
    done = guarded.run("run")
    assert done.returncode == 3
    assert "tls_failed): no trusted TLS connection" in done.stderr
    assert "SSL_CERT_FILE" in done.stderr
    assert "again later" not in done.stderr
    doctor = guarded.run("doctor")
    assert doctor.returncode == 3
    assert "SSL_CERT_FILE" in doctor.stdout
    assert heard == []
    assert leaks_of(done, guarded.folder) == {}


def test_s3_and_sources(guarded: Guarded, untrusted: str, heard: list[str]) -> None:
    guarded.env["AWS_ENDPOINT_URL"] = untrusted
    export = guarded.run("export", "s3://bucket/songs.json")
    assert export.returncode == 3
    assert "TLS certificate is not trusted" in export.stderr
    assert "AWS_CA_BUNDLE" in export.stderr
    for source in ("s3://bucket/songs.csv", f"{untrusted}/songs.csv"):
        load = guarded.run("load", source)
        assert load.returncode == 3
        assert "CA_BUNDLE" in load.stderr
        assert "certificate verify failed" in load.stderr.lower()
    assert heard == []


def test_the_same_servers_are_good_enough_where_they_are_trusted(
    guarded: Guarded, untrusted: str, certificate: Path, heard: list[str]
) -> None:
    # Or else the refusals above could have another reason.
    guarded.env["SSL_CERT_FILE"] = str(certificate)
    assert guarded.run("load", f"{untrusted}/songs.csv").returncode == 0
    assert heard == ["/songs.csv"]


CERTIFICATES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_s3_is_good_enough_where_any_of_the_variables_trusts_it(
    guarded: Guarded, untrusted: str, certificate: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in CERTIFICATES:  # of this machine's own
        monkeypatch.delenv(other, raising=False)
    guarded.env |= {"AWS_ENDPOINT_URL": untrusted, variable: str(certificate)}
    for command in (("load", "s3://bucket/songs.csv"), ("export", "s3://bucket/songs.json")):
        # It is no S3 that answers, but it does answer.
        assert "certificate" not in guarded.run(*command).stderr


def test_what_aws_reads_goes_before_ssl_cert_file(
    guarded: Guarded, untrusted: str, certificate: Path, tmp_path: Path, heard: list[str]
) -> None:
    write_certificate(other := tmp_path / "other.pem")
    guarded.env |= {"AWS_ENDPOINT_URL": untrusted, "SSL_CERT_FILE": str(certificate), "AWS_CA_BUNDLE": str(other)}
    for command in (("load", "s3://bucket/songs.csv"), ("export", "s3://bucket/songs.json")):
        done = guarded.run(*command)
        assert done.returncode == 3
        assert "certificate" in done.stderr
    assert heard == []
