"""What all replicas say of their models, in one reply."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from a3s_power_jupyter.contract.types.model_info import State
from a3s_power_jupyter.ray.listing import _STATES, Reply, is_listing, joined

LIST = "/v1/models"


def reply(*problems: str, **states: str) -> Reply:
    data = [{"id": id_, "state": state} for id_, state in states.items()]
    content: dict[str, Any] = {"object": "list", "data": data}
    return Reply(200, content | ({"problems": [*problems]} if problems else {}))


def ollama(**sizes: int) -> Reply:
    models = [{"name": name, "size_vram": size} for name, size in sizes.items()]
    return Reply(200, {"models": models})


def error(message: str) -> Reply:
    return Reply(404, {"error": message})


def test_each_model_and_each_problem_is_there_once() -> None:
    first = reply("broken", b="unloaded", d="unloaded")
    second = reply("broken", "missing", a="unloaded", b="unloaded")
    expected = reply("broken", "missing", a="unloaded", b="unloaded", d="unloaded")
    assert joined(LIST, [first, second]) == expected
    assert joined(LIST, [reply()]) == reply()


@pytest.mark.parametrize("order", [1, -1])
def test_a_model_that_a_replica_has_in_memory_is_loaded(order: int) -> None:
    lists = [reply(a="unloaded", b="failed"), reply(a="loaded", b="unloaded")]
    assert joined(LIST, lists[::order]) == reply(a="loaded", b="failed")


@pytest.mark.parametrize("order", [1, -1])
def test_one_model_is_as_it_is_where_it_is_used_most(order: int) -> None:
    models = [Reply(200, {"id": "a", "state": state}) for state in ("unloaded", "busy")]
    assert joined("/v1/models/a", [*models, error("lost")][::order]) == models[1]


def test_ollamas_lists_have_the_models_of_all_replicas() -> None:
    replies = [ollama(b=1), ollama(), ollama(a=2, b=1)]
    for path in ("/api/ps", "/api/tags"):
        assert joined(path, replies) == ollama(a=2, b=1)


def test_an_error_is_the_reply_if_no_replica_has_another_one() -> None:
    assert joined("/v1/models/a", [error("one"), error("two")]) == error("one")
    assert joined(LIST, [error("one"), reply(a="loaded")]) == reply(a="loaded")


def test_the_order_of_states_is_complete() -> None:
    assert {*_STATES} == {*get_args(State)}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/models", True),
        ("GET", "/v1/models/org/m:Q4", True),
        ("GET", "/api/ps", True),
        ("HEAD", "/v1/models", False),
        ("POST", "/v1/models", False),
        ("GET", "/v1/events", False),
        ("GET", "/v1/models-of-others", False),
    ],
)
def test_what_is_asked_of_all_replicas(method: str, path: str, expected: bool) -> None:
    assert is_listing(method, path) is expected
