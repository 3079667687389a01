"""Test the replacement of ``{name}`` in cells, and the progress in a prompt."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from IPython.core.error import UsageError

from a3s_power_jupyter.contract.types import Reading
from a3s_power_jupyter.magics import cell_answer
from a3s_power_jupyter.magics.cell_answer import ReadingProgress
from a3s_power_jupyter.magics.cell_magic import fill
from a3s_power_jupyter.magics.live_text import TerminalText

VARIABLES = {
    "name": "Ada",
    "größe": 7,
    "point": SimpleNamespace(x=1.5, inner=SimpleNamespace(items=["a", {"k": "deep"}])),
    "d": {"key": "value", "two words": 2, "1": "text one", 1: "number one"},
    "rows": [10, 20, 30],
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {name}, {größe}!", "Hello Ada, 7!"),
        ("{point.x} {point.inner.items[0]}", "1.5 a"),
        ("{point.inner.items[1][k]}", "deep"),
        ("{d[key]} {d['key']} {d[\"key\"]} {d[two words]}", "value value value 2"),
        ("{d[1]} {d['1']}", "number one text one"),
        ("{rows[0]} {rows[-1]}", "10 30"),
        ("{name}{name}", "AdaAda"),
        ("{rows}", "[10, 20, 30]"),
    ],
)
def test_variables_are_replaced(text: str, filled: str) -> None:
    assert fill(text, VARIABLES) == (filled, [])


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "name": {"b": [2]}}',
        "{'name': 1}",
        "{}",
        "{ name }",
        "{{name}}",
        "{{ name }}",
        "{% if name %}",
        "for (;;) { return; }",
        "f({name: 1})",
        "{1}",
        "{name!r} {name:>5}",
        "{name.}",
        "{d[]}",
        "\\frac{1}{2}",
        "${",
        "}{",
    ],
)
def test_other_braces_are_unchanged(text: str) -> None:
    assert fill(text, VARIABLES) == (text, [])


def test_undefined_names_are_reported_once() -> None:
    text = "{nobody} {name} {nobody} {who.else} {other}"
    assert fill(text, VARIABLES) == (
        "{nobody} Ada {nobody} {who.else} {other}",
        ["nobody", "other"],
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{point.z}", "AttributeError"),
        ("{d[nope]}", "KeyError: 'nope'"),
        ("{rows[9]}", "IndexError"),
        ("{rows[x]}", "TypeError"),
    ],
)
def test_a_missing_attribute_or_key_is_an_error(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as raised:
        fill(text, VARIABLES)
    assert "--raw" in str(raised.value)


def test_values_are_not_replaced_again() -> None:
    assert fill("{a}", {"a": "{b}", "b": "no"}) == ("{b}", [])


def test_progress_is_shown_only_for_prompts_that_take_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.3, 0.6, 0.7])
    monkeypatch.setattr(cell_answer, "time", SimpleNamespace(monotonic=lambda: next(times)))
    progress = ReadingProgress(TerminalText().update)
    for processed in (512, 1024, 2000):
        progress.show(Reading(processed, 2000, cached=0, time_ms=1.0))
    assert capsys.readouterr().out == "Reading the prompt: 1,024 of 2,000 tokens"


def test_a_value_that_cannot_be_written_is_a_usage_error() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text")

        @property
        def data(self) -> str:
            raise OSError("no file")

    for text, message in (("{o}", "ValueError: no text"), ("{o.data}", "OSError: no file")):
        with pytest.raises(UsageError, match=message):
            fill(text, {"o": Broken()})
