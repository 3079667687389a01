"""Addresses of this machine are recognized in every spelling."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.loopback import is_loopback


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
