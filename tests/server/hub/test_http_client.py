"""Connections for large bodies: kept alive, through proxies, over TLS."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import HubError
from a3s_power_jupyter.hub.transfer import http_client as connection
from a3s_power_jupyter.hub.transfer.exceptions import Transient
from a3s_power_jupyter.hub.transfer.http_client import Client, origin_of

TOKEN = "hf_of-the-tests"
BODY = b"x" * 100_000


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; ``/large`` with `BODY`."""

    protocol_version = "HTTP/1.1"
    peers: list[int]

    def do_GET(self) -> None:
        self.peers.append(self.client_address[1])
        told = {"line": self.requestline, "headers": dict(self.headers)}
        body = BODY if self.path.endswith("/large") else json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Tunnel(Echo):
    """A proxy: echoes plain requests, and passes bytes on for CONNECT."""

    asked: list[tuple[str, dict[str, str]]]

    def do_CONNECT(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pass_on, args=(far, self.connection), daemon=True)
            back.start()
            pass_on(self.connection, far)
            back.join(5)
        self.close_connection = True


def pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one of them ended: so does the tunnel


@contextmanager
def serving(handler: type[Echo], context: ssl.SSLContext | None = None) -> Iterator[Any]:
    handler.peers = []
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    connection._certificates.cache_clear()
    yield
    connection._certificates.cache_clear()


@pytest.fixture
def server() -> Iterator[Any]:
    with serving(Echo) as running:
        yield running


def address(server: Any, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.server_port}"


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    client = Client(5.0, origin_of(address(server)), TOKEN)
    yield client
    client.close()


def told(client: Client, url: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.request("GET", url, {}).read())
    return found


def test_one_connection_for_requests_to_one_origin(server: Any, client: Client) -> None:
    for _ in range(3):
        assert told(client, f"{address(server)}/a?b=c")["line"] == "GET /a?b=c HTTP/1.1"
    response = client.request("GET", f"{address(server)}/large", {})
    while response.length:
        response.read1(1000)
    told(client, address(server))
    assert len(set(Echo.peers)) == 1


def test_a_body_that_was_not_read_ends_the_connection(server: Any, client: Client) -> None:
    client.request("GET", f"{address(server)}/large", {}).read1(10)
    assert told(client, address(server))["line"] == "GET / HTTP/1.1"
    assert len(set(Echo.peers)) == 2


def test_a_connection_that_died_while_it_was_idle(server: Any, client: Client) -> None:
    told(client, address(server))
    assert client._socket is not None
    client._socket.shutdown(socket.SHUT_RDWR)
    told(client, address(server))


def test_the_token_is_for_one_origin(server: Any, client: Client) -> None:
    assert told(client, address(server))["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in told(client, address(server, host="localhost"))["headers"]


@pytest.mark.parametrize("url", ["ftp://example.org/", "file:///etc/passwd", "http://", "/path"])
def test_what_is_no_url_of_ours(client: Client, url: str) -> None:
    with pytest.raises(Transient, match="not an http"):
        client.request("GET", url, {})


def test_abort_ends_a_wait(server: Any, client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        threading.Timer(0.1, client.abort).start()
        with pytest.raises(Transient):
            client.request("GET", url, {})


def test_silence_is_a_stall() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        client = Client(0.1, origin_of(url), None)
        with pytest.raises(Transient, match="stalled"):
            client.request("GET", url, {})
        client.close()


# ---------------------------------------------------------------- proxies


def test_a_proxy_is_asked_for_the_whole_url(
    server: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Tunnel) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ada:a%20secret@127.0.0.1:{proxy.server_port}")
        found = told(client, "http://hub.example/a?b=c")
        assert found["line"] == "GET http://hub.example/a?b=c HTTP/1.1"
        assert found["headers"]["Proxy-Authorization"] == "Basic YWRhOmEgc2VjcmV0"
        assert "Authorization" not in found["headers"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert told(client, f"{address(server)}/a")["line"] == "GET /a HTTP/1.1"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used(
    client: Client, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(HubError, match="http://host:port"):
        client.request("GET", "http://hub.example/", {})


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost that only who is told so trusts, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    make = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
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
    assert "Authorization" not in told(client, url)["headers"]
    assert len(set(Echo.peers)) == 1


def test_tls_through_a_proxy(
    secure: Any, client: Client, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    Tunnel.asked = []
    with serving(Tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://ada:secret@127.0.0.1:{proxy.server_port}")
        url = address(secure, "https", "localhost")
        assert told(client, f"{url}/a")["line"] == "GET /a HTTP/1.1"
        assert client.request("GET", f"{url}/large", {}).read() == BODY
        client.close()
    [(target, headers)] = Tunnel.asked
    assert target == f"localhost:{secure.server_port}"
    assert headers["Proxy-Authorization"] == "Basic YWRhOnNlY3JldA=="


def test_a_certificate_that_nobody_vouches_for(secure: Any, client: Client) -> None:
    with pytest.raises(HubError, match="SSL_CERT_FILE"):
        client.request("GET", address(secure, "https", "localhost"), {})
