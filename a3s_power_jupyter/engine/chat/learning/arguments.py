"""Find the syntax of calls that have each argument in tags, or as in Python."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..format import CallSyntax, Pythonic, TaggedArguments
from ..writing import Call
from .samples import Sample
from .texts import common_prefix, common_suffix, split


class _Pieces(NamedTuple):
    """The texts between name, first key, its string, second key, its number, and the end."""

    before: str
    name_end: str
    string_key_end: str
    between: str
    key_end: str
    after: str


def _pieces(text: str, call: Call) -> _Pieces | None:
    (key, value), (key_2, value_2) = call.arguments.items()
    found = []
    for part in (call.name, key, value, key_2, str(value_2)):
        before, part_found, text = text.partition(part)
        if not part_found:
            return None
        found.append(before)
    return _Pieces._make([*found, text])


def pythonic(sample: Sample) -> CallSyntax | None:
    """Return the syntax if a call is written as in Python."""
    one = _pieces(sample.one, sample.first)
    if one is None or one.name_end != "(" or not one.string_key_end.startswith("="):
        return None
    before, after = one.before, one.after.removeprefix(")")
    if sample.two is None:
        return _python(before, ", ", after, one_call=True)
    two = _pieces(sample.two[len(sample.one) - len(after) :], sample.second)
    return None if two is None else _python(before, two.before, after)


def _python(before: str, separator: str, after: str, one_call: bool = False) -> CallSyntax:
    in_list = before.endswith("[") and after.startswith("]")
    if in_list:
        before, after, separator = before[:-1], after[1:], ", "
    return Pythonic(before, after, in_list, separator, one_call=one_call)


def tagged_arguments(sample: Sample) -> CallSyntax | None:
    """Return the syntax if the name and each argument are in tags."""
    one = _pieces(sample.one, sample.first)
    if one is None or not one.name_end:
        return None
    argument = _argument(one, next(iter(sample.first.arguments)), sample)
    if argument is None:
        return None
    fields, after = argument
    if sample.two is None:
        return TaggedArguments(start=one.before, end=after, one_call=True, **fields)
    two = _pieces(sample.two[len(sample.one) - len(after) :], sample.second)
    if two is None:
        return None
    around = split(one.before, two.before, after)
    return TaggedArguments(**around, **fields)


def _argument(one: _Pieces, first_key: str, sample: Sample) -> tuple[dict[str, Any], str] | None:
    """Return the texts of an argument, and the text after the last one."""
    fields: dict[str, Any] = {"key_end": one.key_end}
    between, after = one.between, one.after
    if one.string_key_end != one.key_end:
        quote = one.string_key_end.removeprefix(one.key_end)
        if one.string_key_end.startswith(one.key_end) and between.startswith(quote):
            fields["string_quote"] = quote
            between = between[len(quote) :]
        else:
            fields["string_key_end"] = one.string_key_end
    if fields.get("string_quote") in ('"', "'"):
        return None
    if first_key in between:
        # A closing tag with the key.
        fields["value_end"], _, between = between.partition(first_key)
        second_key = list(sample.first.arguments)[1]
        value_end, found, after = after.partition(second_key)
        if not found or value_end != fields["value_end"]:
            return None
        fields["closing_key_end"] = end = common_prefix(between, after)
    else:
        fields["value_end"] = end = common_prefix(between, after)
    between, after = between[len(end) :], after[len(end) :]
    start = common_suffix(one.name_end, between).lstrip()
    fields["argument_start"] = start
    fields["name_end"] = one.name_end[: len(one.name_end) - len(start)]
    fields["argument_separator"] = between[: len(between) - len(start)]
    return fields, after
