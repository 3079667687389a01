"""Test the HTTP client for large bodies: keep-alive, proxies and TLS."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import HubError
from a3s_power_jupyter.hub.http import addresses, http_client
from a3s_power_jupyter.hub.http.addresses import origin_of
from a3s_power_jupyter.hub.http.http_client import Client
from a3s_power_jupyter.hub.http.retries import Transient
from support.echo_server import BODY, Echo, Tunnel, address, echo, serving

TOKEN = "hf_of-the-tests"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    http_client._certificates.cache_clear()
    yield
    http_client._certificates.cache_clear()


@pytest.fixture
def server() -> Iterator[Any]:
    with serving(Echo) as running:
        yield running


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    client = Client(origin_of(address(server)), TOKEN, stall=5.0)
    yield client
    client.close()


def test_one_connection_for_requests_to_one_origin(server: Any, client: Client) -> None:
    for _ in range(3):
        assert echo(client, f"{address(server)}/a?b=c")["line"] == "GET /a?b=c HTTP/1.1"
    response = client.request("GET", f"{address(server)}/large", {})
    while response.length:
        response.read1(1000)
    echo(client, address(server))
    assert len(set(Echo.peers)) == 1


def test_an_unread_body_closes_the_connection(server: Any, client: Client) -> None:
    client.request("GET", f"{address(server)}/large", {}).read1(10)
    assert echo(client, address(server))["line"] == "GET / HTTP/1.1"
    assert len(set(Echo.peers)) == 2


def test_an_idle_connection_that_was_closed(server: Any, client: Client) -> None:
    echo(client, address(server))
    assert client._socket is not None
    client._socket.shutdown(socket.SHUT_RDWR)
    echo(client, address(server))


def test_the_token_is_sent_to_one_origin(server: Any, client: Client) -> None:
    assert echo(client, address(server))["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in echo(client, address(server, host="localhost"))["headers"]


@pytest.mark.parametrize("url", ["ftp://example.org/", "file:///etc/passwd", "http://", "/path"])
def test_other_urls(client: Client, url: str) -> None:
    with pytest.raises(HubError, match="not a valid http"):
        client.request("GET", url, {})


def test_abort_ends_a_request(server: Any, client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        threading.Timer(0.1, client.abort).start()
        with pytest.raises(Transient):
            client.request("GET", url, {})


def test_a_stalled_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        client = Client(origin_of(url), None, stall=0.1)
        with pytest.raises(Transient, match="stalled"):
            client.request("GET", url, {})
        client.close()


def test_a_name_that_leads_into_the_network_after_it_was_checked(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = (ipaddress.ip_address("93.184.215.14"),)
    monkeypatch.setattr(addresses, "_addresses", lambda origin: public)
    client = Client(("https", "hub.example", 443), TOKEN, stall=5.0)
    with pytest.raises(HubError, match="on this machine or in its network"):
        client.request("GET", address(server), {})
    client.close()
    assert Echo.peers == []


def test_a_head_that_never_ends() -> None:
    """Each byte is in time for the stall timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        client = Client(origin_of(url), None, stall=20.0, head=0.3)
        done = threading.Event()

        def drip() -> None:
            with listener.accept()[0] as connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nX: ")
                while not done.wait(0.05):
                    connection.sendall(b"x")

        def watch() -> None:
            while not done.wait(0.05):
                client.expire(time.monotonic())

        threads = [threading.Thread(target=target) for target in (drip, watch)]
        for thread in threads:
            thread.start()
        try:
            with pytest.raises(Transient, match=r"No reply began within 0\.3 seconds"):
                client.request("GET", url, {})
        finally:
            done.set()
            client.close()
            for thread in threads:
                thread.join()


def test_an_aborted_client_opens_no_connection(server: Any, client: Client) -> None:
    client.abort()
    with pytest.raises(Transient, match="was closed"):
        client.request("GET", address(server), {})
    assert Echo.peers == []


# ---------------------------------------------------------------- proxies


def test_a_proxy_receives_the_whole_url(
    server: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Tunnel) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ada:a%20secret@127.0.0.1:{proxy.server_port}")
        request = echo(client, "http://hub.example/a?b=c")
        assert request["line"] == "GET http://hub.example/a?b=c HTTP/1.1"
        assert request["headers"]["Proxy-Authorization"] == "Basic YWRhOmEgc2VjcmV0"
        assert "Authorization" not in request["headers"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert echo(client, f"{address(server)}/a")["line"] == "GET /a HTTP/1.1"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used(
    client: Client, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(HubError, match="http://host:port"):
        client.request("GET", "http://hub.example/", {})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
def test_no_proxy_for_this_machine(
    server: Any, client: Client, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert echo(client, f"{address(server, host=host)}/a")["line"] == "GET /a HTTP/1.1"


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of localhost and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, so there is no certificate.")
    folder = tmp_path_factory.mktemp("tls")
    make = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:hub.example",
        "-days", "2",
        "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"),
    ]  # fmt: skip
    subprocess.run(make, check=True, capture_output=True)
    return folder


@pytest.fixture
def secure(certificate: Path) -> Iterator[Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with serving(Echo, context) as running:
        yield running


def test_tls(
    secure: Any, client: Client, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    url = address(secure, "https", "localhost")
    assert client.request("GET", f"{url}/large", {}).read() == BODY
    assert "Authorization" not in echo(client, url)["headers"]
    assert len(set(Echo.peers)) == 1


def test_an_aborted_client_reads_no_encrypted_bytes(
    secure: Any, client: Client, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    response = client.request("GET", f"{address(secure, 'https', 'localhost')}/pieces", {})
    received = response.read1(10)
    time.sleep(0.2)  # until the second piece has arrived
    client.abort()
    with suppress(OSError, ValueError):
        received += response.read1(10_000)
    assert set(received) == set(BODY)


def test_tls_through_a_proxy(
    secure: Any, client: Client, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    Tunnel.targets = []
    with serving(Tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://ada:secret@127.0.0.1:{proxy.server_port}")
        url = address(secure, "https", "hub.example")
        assert echo(client, f"{url}/a")["line"] == "GET /a HTTP/1.1"
        assert client.request("GET", f"{url}/large", {}).read() == BODY
        client.close()
    [(target, headers)] = Tunnel.targets
    assert target == f"hub.example:{secure.server_port}"
    assert headers["Proxy-Authorization"] == "Basic YWRhOnNlY3JldA=="


def test_an_untrusted_certificate(secure: Any, client: Client) -> None:
    with pytest.raises(HubError, match="SSL_CERT_FILE"):
        client.request("GET", address(secure, "https", "localhost"), {})
