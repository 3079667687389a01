"""Test what the commands ask of the client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from IPython.core.error import UsageError

from a3s_power_jupyter.magics.examples import EXAMPLES
from a3s_power_jupyter.magics.parser import parse_line
from a3s_power_jupyter.magics.session import Session


class Asked(Exception):
    """Ends a command with the arguments of its request."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments


def asked(line: str) -> dict[str, Any]:
    """Return the arguments with which a command registers a model."""

    def register(name: str, path: str | None, **arguments: Any) -> None:
        raise Asked(name=name, path=path, **arguments)

    arguments = parse_line(line.split())
    session = SimpleNamespace(client=SimpleNamespace(register=register))
    with pytest.raises(Asked) as raised:
        arguments.run(cast("Session", session), arguments)
    return raised.value.arguments


def test_a_model_with_an_upstream_is_remote_without_saying_so() -> None:
    (example,) = (line for line in EXAMPLES["register"].splitlines() if "--upstream-url" in line)
    assert asked(example.strip().removeprefix("%power "))["format"] == "remote"
    assert asked("register m model.gguf")["format"] is None
    given = "--upstream-url http://a/v1 --upstream-model m"
    assert asked(f"register m {given}")["upstream"]["base_url"] == "http://a/v1"
    several = asked(f"register m {given} --upstream-url http://b/v1")["upstream"]
    assert several["base_url"] == ["http://a/v1", "http://b/v1"]
    assert asked(f"register m model.gguf {given}")["format"] is None  # which the server refuses
    assert asked(f"register m {given} --format gguf")["format"] == "gguf"


@pytest.mark.parametrize("missing", ["--upstream-url", "--upstream-model", "--upstream-url=a"])
def test_a_remote_model_needs_an_address_and_a_name(missing: str) -> None:
    options = {"--upstream-url": "http://a/v1", "--upstream-model": "m"}
    words = [f"{name}={'' if name == missing else value}" for name, value in options.items()]
    words += ["--upstream-url="] if "=" in missing else []
    arguments = parse_line(["register", "m", *words])
    with pytest.raises(UsageError, match="needs --upstream-url and --upstream-model"):
        arguments.run(cast("Session", None), arguments)
