"""Test which addresses the hub may redirect to, and which are requested through a proxy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import HubError
from a3s_power_jupyter.hub.http import addresses
from a3s_power_jupyter.hub.http.addresses import origin_of, proxy_of, redirect_target
from a3s_power_jupyter.hub.http.retries import Transient

PUBLIC = "https://hub.example/a/b"
LOCAL = "http://127.0.0.1:8000/a/b"
OFFICE = "http://hub.office/a/b"

HOSTS = {
    "hub.example": ["93.184.215.14", "2606:2800:21f:cb07::1"],
    "cdn.example": ["93.184.215.15"],
    "hub.office": ["10.1.2.3"],
    "storage.office": ["10.1.2.4"],
    "sneaky.example": ["93.184.215.15", "127.0.0.1"],
    "cloud.example": ["169.254.169.254"],
    "localhost": ["127.0.0.1", "::1"],
    "2130706433": ["127.0.0.1"],
    "127.1": ["127.0.0.1"],
}


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        if host not in HOSTS:
            raise socket.gaierror("Name or service not known")
        return [(0, 0, 0, "", (address, port)) for address in HOSTS[host]]

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    addresses._addresses.cache_clear()
    yield
    addresses._addresses.cache_clear()


def follow(url: str, location: str) -> str:
    return redirect_target(origin_of(url), url, location)


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        (PUBLIC, "/c", "https://hub.example/c"),
        (PUBLIC, "", PUBLIC),
        (PUBLIC, "//cdn.example/x?y=z#w", "https://cdn.example/x?y=z#w"),
        (PUBLIC, "https://cdn.example/My Model [1]%20\u00e9",
         "https://cdn.example/My%20Model%20[1]%20%C3%A9"),
        (OFFICE, "http://storage.office/x", "http://storage.office/x"),
        (OFFICE, "https://cdn.example/x", "https://cdn.example/x"),
        (LOCAL, "http://localhost:9000/x", "http://localhost:9000/x"),
        (LOCAL, "http://10.0.0.1/x", "http://10.0.0.1/x"),
    ],
)  # fmt: skip
def test_redirects_that_are_followed(url: str, location: str, target: str) -> None:
    assert follow(url, location) == target


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:8888", "[::1]", "localhost", "10.0.0.1", "192.168.1.1", "0.0.0.0",  # noqa: S104
        "[::ffff:10.0.0.1]", "[fd00::1]", "100.64.0.1", "127.1", "2130706433", "hub.office",
        "sneaky.example", "169.254.169.254", "[fe80::1]", "user:password@127.0.0.1",
    ],
)  # fmt: skip
def test_a_hub_on_the_internet_may_not_redirect_into_the_network(host: str) -> None:
    with pytest.raises(HubError, match="on this machine or in its network"):
        follow(PUBLIC, f"http://{host}/x")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "cloud.example", "[::ffff:a9fe:1]"]
)
@pytest.mark.parametrize("url", [PUBLIC, OFFICE, LOCAL])
def test_no_hub_may_redirect_to_link_local_addresses(url: str, host: str) -> None:
    with pytest.raises(HubError, match="on this machine or in its network"):
        follow(url, f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd", "ftp://cdn.example/x", "javascript:x", "http://", "http:///x",
        "http://[", "http://cdn.example:port/", "http://cdn.example:99999999/",
        "http://cdn.example:" + "9" * 5000, "\ud800://x", "data:text/plain,x",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(location: str) -> None:
    with pytest.raises(HubError, match="not a valid http or https URL"):
        follow(PUBLIC, location)


def test_a_host_that_cannot_be_looked_up() -> None:
    for _ in range(2):
        with pytest.raises(Transient, match=r"The host unknown\.example cannot be found"):
            follow(PUBLIC, "https://unknown.example/x")
    HOSTS["unknown.example"] = ["127.0.0.1"]
    try:
        with pytest.raises(HubError, match="on this machine or in its network"):
            follow(PUBLIC, "https://unknown.example/x")
    finally:
        del HOSTS["unknown.example"]


def test_a_proxy_looks_up_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.office:3128")
    assert follow("http://hub.example/", "http://hub.office/x") == "http://hub.office/x"
    for host in ("10.0.0.1", "169.254.169.254", "localhost", "127.1"):
        with pytest.raises(HubError, match="on this machine or in its network"):
            follow("http://hub.example/", f"http://{host}/x")


def test_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "proxy.office:3128")
    proxy = proxy_of(origin_of(PUBLIC))
    assert proxy is not None
    assert (proxy.hostname, proxy.port) == ("proxy.office", 3128)
    assert proxy_of(origin_of(LOCAL)) is None
    assert proxy_of(origin_of("http://localhost:1/")) is None
    monkeypatch.setenv("no_proxy", "hub.example")
    assert proxy_of(origin_of(PUBLIC)) is None
