"""Test how this machine is recognized."""

from __future__ import annotations

import socket

from a3s_power_jupyter.contract.machine import is_this_machine, machine_id


def test_the_same_machine_has_the_same_id() -> None:
    assert machine_id() == machine_id()
    assert len(machine_id()) == 32


def test_either_the_name_or_the_id_is_enough() -> None:
    assert is_this_machine(socket.gethostname(), None)
    assert is_this_machine(socket.gethostname(), "another")
    assert is_this_machine("before", machine_id())
    assert not is_this_machine("before", "another")
    assert not is_this_machine("before", None)
    assert not is_this_machine(None, None)
