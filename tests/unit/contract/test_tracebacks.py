"""Test which frames of a traceback are shown."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

from a3s_power_jupyter.contract.errors import ModelNotFound
from a3s_power_jupyter.contract.tracebacks import quieten, without_internals


def ours(code: str, **variables: Any) -> Any:
    """Return the function `f` of code that is part of the package."""
    variables["__name__"] = "a3s_power_jupyter.client.client"
    exec(compile(code, "client.py", "exec"), variables)  # noqa: S102  # a frame of the package
    return variables["f"]


def shown(error: BaseException) -> list[str]:
    """Return the names of the functions that remain."""
    return [f.name for f in traceback.extract_tb(without_internals(error.__traceback__))]


def caught(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("no error")


def test_only_frames_of_the_user_remain() -> None:
    call = ours("def f(): g()\ndef g(): raise error", error=ModelNotFound("No model."))

    def of_the_user() -> None:
        call()

    assert shown(caught(of_the_user)) == ["caught", "of_the_user"]


def test_libraries_below_the_package_are_left_out_and_functions_of_the_user_remain() -> None:
    call = ours("def f(function): return function()")

    def tool() -> None:
        json.loads("{")

    assert shown(caught(lambda: call(tool))) == ["caught", "<lambda>", "tool"]
    parse = ours("import json\ndef f(): json.loads('{')")
    assert shown(caught(parse)) == ["caught"]


def test_libraries_above_the_package_remain() -> None:
    call = ours("def f(pairs): raise error", error=ModelNotFound("No model."))
    parsed = caught(lambda: json.loads("{}", object_pairs_hook=call))
    assert shown(parsed) == ["caught", "<lambda>", "loads", "decode", "raw_decode"]


def test_an_interrupt_of_the_client_names_the_line() -> None:
    interrupt = quieten(KeyboardInterrupt())
    call = ours("def f(): raise error", error=interrupt)
    try:
        call()  # a long call
    except KeyboardInterrupt as error:
        (line,) = error._render_traceback_()  # type: ignore[attr-defined]
    assert line.startswith("Interrupted at line ")
    assert line.endswith(": call()  # a long call")
    interrupt.add_note("The call goes on.")
    try:
        raise interrupt
    except KeyboardInterrupt as error:
        lines = error._render_traceback_()  # type: ignore[attr-defined]
    assert lines[1:] == ["The call goes on."]
