"""The models of all replicas in one list."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from a3s_power_jupyter.contract.types.model_info import State
from a3s_power_jupyter.ray.listing import _STATES, joined


def reply(*problems: str, **states: str) -> dict[str, Any]:
    data = [{"id": id_, "state": state} for id_, state in states.items()]
    return {"object": "list", "data": data} | ({"problems": [*problems]} if problems else {})


def test_each_model_and_each_problem_is_there_once() -> None:
    first = reply("broken", b="unloaded", d="unloaded")
    second = reply("broken", "missing", a="unloaded", b="unloaded")
    expected = reply("broken", "missing", a="unloaded", b="unloaded", d="unloaded")
    assert joined([first, second]) == expected
    assert joined([reply()]) == {"object": "list", "data": []}


@pytest.mark.parametrize("order", [1, -1])
def test_a_model_that_a_replica_has_in_memory_is_loaded(order: int) -> None:
    lists = [reply(a="unloaded", b="failed"), reply(a="loaded", b="unloaded")]
    assert joined(lists[::order]) == reply(a="loaded", b="failed")


def test_the_order_of_states_is_complete() -> None:
    assert {*_STATES} == {*get_args(State)}
