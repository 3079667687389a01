"""Addresses of this machine are recognized in every spelling."""

from __future__ import annotations

import socket

import pytest

from a3s_power_jupyter.contract.loopback import is_direct, is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LocalHost", "localhost.", "power.localhost", "127.0.0.1", "127.255.3.4",
        "127.1", "2130706433", "0x7f.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "0.0.0.0",  # noqa: S104 - compared, not bound
        "::", "0",
    ],
)  # fmt: skip
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "", ".", "example.org", "localhost.example.org", "notlocalhost", "127.0.0.1.example.org",
        "128.0.0.1", "10.127.0.1", "192.168.0.1", "::2", "::ffff:10.0.0.1", "fe80::1", "1",
        "127.0.0.1:80", "127.0.0.256", "gpu-box",
    ],
)  # fmt: skip
def test_other_hosts(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("", "gpu-box", False),
        ("", "127.0.0.1", True),
        ("", "::1", True),
        ("*", "gpu-box", True),
        ("gpu-box", "GPU-Box", True),
        (".example.org", "a.example.org", True),
        ("example.org", "example.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("gpu-box, 192.168.0.7", "192.168.0.7", True),
        ("[fd00::]/8,fd00::/8", "fd00::1", True),
    ],
)
def test_hosts_without_a_proxy(
    no_proxy: str, host: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", no_proxy)
    assert is_direct(host) is direct


def test_the_name_of_this_machine_is_requested_without_a_proxy() -> None:
    assert is_direct(socket.gethostname())
