"""Test how the client reaches a server: proxies, Unix sockets, TLS."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import ServerNotFound
from support.ports import free_port
from support.stub_server import StubServer, client_of, health


def test_local_requests_bypass_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with StubServer(health("k")) as server, client_of(server.url, "k") as client:
        assert client.health().status == "ok"


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with StubServer(health("k"), sock=path), client_of("http://x/", "k", sock=str(path)) as client:
        assert client.health().status == "ok"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="creates a certificate with openssl")
def test_only_the_servers_own_certificate_is_trusted(tmp_path: Path) -> None:
    mine, other = (_certificate(tmp_path, name) for name in ("mine", "other"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(mine, tmp_path / "mine.key")
    with StubServer(health("k"), tls=tls) as server:
        with client_of(server.url, "k", certfile=str(mine)) as client:
            assert client.health().status == "ok"
        for certfile in (str(other), None):
            client = client_of(server.url, "k", certfile=certfile)
            with client, pytest.raises(ServerNotFound, match="CERTIFICATE_VERIFY_FAILED"):
                client.health()


def _certificate(directory: Path, name: str) -> Path:
    """Create a self-signed certificate for a name other than the server's address."""
    certificate = directory / f"{name}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", f"/CN={name}.example", "-keyout", str(directory / f"{name}.key")),
            *("-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate
