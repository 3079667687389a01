"""Test the removal of control sequences, and text in which all characters are seen."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3s_power_jupyter.contract.errors import ModelNotFound, from_wire
from a3s_power_jupyter.contract.text import MAX_QUOTED, printable, quoted, shortened, visible
from support.paths import SUPPORT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc é 中 \u2028", "a\tb\nc é 中 \u2028"),
        ("a\r\nb\x00c\x08\x7f", "a\nbc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;1;2;3mred\x1b[?25l", "red"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b]0;title\x07a\x1b]52;c;aGk=\x1b\\b", "ab"),
        ("\x1b]8;;https://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\a\x90q\x9cb", "ab"),
        ("\x1b(B\x1b=\x1bca\x1b7", "a"),
        ("a\x1b]0;never ends", "a]0;never ends"),
        ("a\x1b[\nb", "a[\nb"),
        ("\x1b\x1b[31m\x1b", ""),
        ("\x1b]0;\x1b[31m\x07a", "]0;a"),
        ("\x80\x85\x9f a", " a"),
    ],
)
def test_control_sequences_are_removed(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.timeout(60)  # quadratic time would take far longer
@pytest.mark.parametrize(
    "piece", ["\x1b", "\x1b[", "\x1b]", "\x1b]a", "\x9d\x9b", "\x1b[1;", "\x90 "]
)
def test_removal_from_long_texts(piece: str) -> None:
    assert "\x1b" not in printable(piece * 300_000)


def test_messages_of_errors_are_printable() -> None:
    error = from_wire({"code": "model_not_found", "message": "No \x1b]0;x\x07model\x1b[2J 'a'."})
    assert isinstance(error, ModelNotFound)
    assert str(error) == error.message == error.to_wire()["message"] == "No model 'a'."


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_JSON = st.recursive(_SCALARS, lambda v: st.lists(v) | st.dictionaries(st.text(), v))


@given(_JSON)
def test_quoted_values_are_short(value: object) -> None:
    assert len(quoted(value)) <= MAX_QUOTED


@pytest.mark.parametrize("value", ["", "it's", 'a "b"', "a" * 198, 1, 2**64, 1.5, ["a"], {}])
def test_short_values_are_quoted_as_they_are(value: object) -> None:
    assert quoted(value) == repr(value)


def test_constants_are_quoted_as_in_json() -> None:
    assert quoted([None, {"a": True}, False]) == "[null, {'a': true}, false]"


class _Counted(str):
    """A string that counts the characters read from it by slicing."""

    read = 0

    def __getitem__(self, key: object) -> str:
        part = super().__getitem__(key)  # type: ignore[index]
        _Counted.read += len(part)
        return part

    def __repr__(self) -> str:
        raise AssertionError("the whole string was converted")


def test_a_long_string_is_cut_before_it_is_converted() -> None:
    text = quoted(_Counted("x" * 8_000_000))
    assert text.startswith("'xxx")
    assert text.endswith("...")
    assert _Counted.read == MAX_QUOTED


@pytest.mark.parametrize(
    "value",
    [7**4000, "\x00" * 1000, "\ud800" * 1000, [["x" * 10**6] * 1000] * 1000, {"a" * 10**6: 1}],
)
def test_large_values_are_cut(value: object) -> None:
    assert len(quoted(value)) <= MAX_QUOTED
    assert "..." in quoted(value)


def test_errors_shorten_the_path_of_a_field() -> None:
    error = ModelNotFound("x", param="a\x1b[31m" + "b" * 10**6)
    assert error.param is not None
    assert len(error.param) == MAX_QUOTED
    assert error.param.startswith("ab")
    assert shortened("short") == "short"


def test_characters_that_reorder_a_text_are_written_out() -> None:
    assert printable("a\u202eb\u2066") == "a\\u202eb\\u2066"
    assert printable("\u200f\u05d0\u200d") == "\u200f\u05d0\u200d"


VISIBLE = json.loads((SUPPORT / "visible_text_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "shown"), VISIBLE.items())
def test_characters_that_are_not_seen_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


#: Characters of the category "format" that are drawn: signs around numbers, and joiners of
#: hieroglyphs.
DRAWN = {
    *"\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd",
    *map(chr, range(0x13430, 0x13440)),
}


def test_no_character_without_a_shape_of_its_own_stays() -> None:
    shown = visible(" ".join(map(chr, range(0x110000))))
    unseen = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs")
    left = {c for c in shown if unicodedata.category(c) in unseen}
    assert left - DRAWN == set("\t\n ")
