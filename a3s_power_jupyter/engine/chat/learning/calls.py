"""Find the syntax of calls in texts that a template has rendered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..format import CallSyntax, JsonCalls, NamedJson, Pythonic, TaggedArguments
from ..writing import Call, calls_text
from .arguments import pythonic, tagged_arguments
from .probes import CONTENT, Probes
from .samples import FIRST, ID, INDEX, SECOND, Sample
from .texts import common_prefix, common_suffix, first_marker, split

_DECODER = json.JSONDecoder()

#: Gemma 4 writes it after calls, where the results begin.
_RESULT = "<|tool_response>"

#: Most brackets at which JSON is tried.
_MAX_BRACKETS = 60


def learn_calls(probes: Probes, thoughts_end: str) -> CallSyntax | None:
    """Return the syntax of calls, or None if the template renders none that can be learnt.

    Sets `content` and `arguments_as` of the probes to what the template wants.
    """
    for content in ("", None, ...):
        for arguments_as in ("object", "text"):
            probes.content, probes.arguments_as = content, arguments_as
            syntax = _learn(probes, thoughts_end)
            if syntax is not None:
                return syntax
    probes.content, probes.arguments_as = "", "object"
    return None


def _learn(probes: Probes, thoughts_end: str) -> CallSyntax | None:
    first, second = FIRST, SECOND
    text = probes.calls([first])
    if text is None:
        return None
    if first.name not in text and first.id in text:
        # Kimi K2 takes the name from the id.
        first, second = (
            call._replace(id=f"functions.{call.name}:{i}") for i, call in enumerate((first, second))
        )
        text = probes.calls([first])
    if text is None or first.name not in text:
        return None
    frame = _frame(probes, text, thoughts_end)
    one = frame.inside(text)
    two = frame.inside(probes.calls([first, second]))
    if two is not None and second.name not in two:
        two = None
    sample = Sample(first, second, one, two)
    for kind in (_json_calls, _named_json, pythonic, tagged_arguments):
        syntax = kind(sample)
        if syntax is not None and _can_be_read(syntax) and _writes(syntax, sample):
            return syntax
    return None


class _Frame(NamedTuple):
    """The texts before and after the calls of an answer, which are not part of them."""

    start: str
    thoughts_end: str
    end: str
    turn_end: str
    name: str

    def inside(self, text: str | None) -> Any:
        """Return the text between, without thoughts."""
        if text is None:
            return None
        text = text.removeprefix(self.start)
        if self.end:
            text = text.removesuffix(self.end)
        if self.thoughts_end:
            text = text.rpartition(self.thoughts_end)[2]
        if self.turn_end:
            # It may also precede the calls, if these are a message of their own.
            end = text.find(self.turn_end, max(text.find(self.name), 0))
            text = text if end < 0 else text[:end]
        return text.strip().removesuffix(_RESULT)


def _frame(probes: Probes, text: str, thoughts_end: str) -> _Frame:
    answer = probes.answer({"content": CONTENT}, tools=True)
    if answer is None or CONTENT not in answer:
        answer = probes.prompt(tools=True) or ""
    start = common_prefix(text, answer)
    end = common_suffix(text[len(start) :], answer[len(start) :])
    return _Frame(start, thoughts_end, end, first_marker(probes.turn_end()), FIRST.name)


def _can_be_read(syntax: CallSyntax) -> bool:
    """Whether there are markers that tell calls from content, and values from each other."""
    if isinstance(syntax, TaggedArguments) and not syntax.value_end.strip():
        return bool(syntax.string_quote and syntax.opening)
    return bool(syntax.opening) or isinstance(syntax, (JsonCalls, Pythonic))


def _writes(syntax: CallSyntax, sample: Sample) -> bool:
    """Whether calls that are written in the syntax are what the template has rendered."""
    for calls, text in ((sample.calls[:1], sample.one), (sample.calls, sample.two)):
        if text is not None:
            written = calls_text(syntax, _with_ids(syntax, calls))
            # DeepSeek R1's template forgets the text after all calls if there is only one.
            complete = text + (getattr(syntax, "after", "") if text is sample.one else "")
            if _squeezed(written) not in (_squeezed(text), _squeezed(complete)):
                return False
    return True


def _squeezed(text: str) -> str:
    """Return a text without white space, and with one kind of quotes."""
    return "".join(text.split()).replace("'", '"')


def _with_ids(syntax: CallSyntax, calls: list[Call]) -> list[Call]:
    pattern = getattr(syntax, "id_pattern", "")
    if pattern != INDEX:
        return calls
    return [call._replace(id=str(i)) for i, call in enumerate(calls)]


# ---------------------------------------------------------------- JSON


def _values(text: str, brackets: str = "{[") -> Iterator[tuple[int, int, Any]]:
    """Find JSON values: their start, their end and the value."""
    found = 0
    for match in re.finditer(f"[{re.escape(brackets)}]", text):
        found += 1
        if found > _MAX_BRACKETS:
            return
        try:
            value, end = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        yield match.start(), end, value


def _object_with(text: str, name: str) -> tuple[int, int, Any] | None:
    """Return the first JSON value that has a name in it."""
    return next((v for v in _values(text) if name in _strings(v[2])), None)


def _strings(value: Any) -> set[str]:
    """Return the keys and strings of a value, down to the third level."""
    found = {value} if isinstance(value, str) else set()
    level = [value]
    for _ in range(3):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                found.update(item)
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        found.update(item for item in inner if isinstance(item, str))
        level = inner
    return found


def _json_calls(sample: Sample) -> CallSyntax | None:
    found = _object_with(sample.one, sample.first.name)
    if found is None:
        return None
    start, end, value = found
    before, after = sample.one[:start], sample.one[end:]
    if isinstance(value, list):
        shape = _shape(value[0], sample.first) if value else None
        if shape is None:
            return None
        return JsonCalls(
            before=before, after=after, in_list=True, one_call=sample.two is None, **shape
        )
    shape = _shape(value, sample.first)
    if shape is None:
        return None
    if sample.two is None:
        return JsonCalls(start=before, end=after, one_call=True, **shape)
    rest = sample.two[end:]
    second = _object_with(rest, sample.second.name)
    if second is None:
        return None
    return JsonCalls(**split(before, rest[: second[0]], after), **shape)


def _shape(value: Any, call: Call) -> dict[str, Any] | None:
    """Return the keys of a call as arguments of `JsonCalls`."""
    if not isinstance(value, dict):
        return None
    if value == {call.name: call.arguments}:
        return {"name_is_key": True}
    shape: dict[str, Any] = {}
    constants: dict[str, str] = {}
    for key, item in value.items():
        if item == call.name:
            shape["name_key"] = key
        elif item == call.arguments:
            shape["arguments_key"] = key
        elif isinstance(item, dict):
            inner = _shape(item, call)
            if inner is None or inner.keys() != {"name_key", "arguments_key"}:
                return None
            shape.update(inner, wrapper=key)
        elif item in (call.id, "0"):
            pattern = INDEX if item == "0" else ID
            shape.update(id_key=key, id_first="name_key" not in shape, id_pattern=pattern)
        else:
            constants[key] = item
    return _checked(shape, constants)


def _checked(shape: dict[str, Any], constants: dict[str, Any]) -> dict[str, Any] | None:
    if not {"name_key", "arguments_key"} <= shape.keys():
        return None
    if not all(isinstance(value, str) for value in constants.values()):
        return None
    return {**shape, "constants": constants} if constants else shape


# ---------------------------------------------------------------- a name and JSON


def _named_json(sample: Sample) -> CallSyntax | None:
    first = _named(sample.one, sample.first)
    if first is None:
        return None
    syntax: dict[str, Any] = {"arguments_start": first.middle}
    before, after = first.before, first.after
    second = None
    if sample.two is not None:
        second = _named(sample.two[len(sample.one) - len(after) :], sample.second)
        if second is None:
            return None
    index = re.match(r"\D*(0)(?!\d)", first.middle)
    id_ = sample.first.id
    if id_ in first.middle:
        syntax["id_between"], _, syntax["arguments_start"] = first.middle.partition(id_)
        syntax.update(id_after_name=True, id_pattern=ID)
    elif index and (second is None or first.middle.replace("0", "1", 1) == second.middle):
        syntax["id_between"] = first.middle[: index.start(1)]
        syntax["arguments_start"] = first.middle[index.end(1) :]
        syntax.update(id_after_name=True, id_pattern=INDEX)
    elif id_ in before:
        before, _, syntax["id_between"] = before.partition(id_)
        syntax.update(id_pattern=ID)
    if second is None:
        return NamedJson(start=before, end=after, one_call=True, **syntax)
    middle = second.before
    if syntax.get("id_pattern") and not syntax.get("id_after_name"):
        middle = middle.partition(sample.second.id)[0]
    around = split(before, middle, second.after)
    if not around["start"] and around["separator"].strip():
        around.update(start=around["separator"], separator="", bare_first=True)
    return NamedJson(**around, **syntax)


class _Named(NamedTuple):
    before: str
    middle: str
    after: str


def _named(text: str, call: Call) -> _Named | None:
    """Return the texts around a name and its arguments."""
    before, name, rest = text.partition(call.name)
    if not name:
        return None
    for start, end, value in _values(rest, "{"):
        if value == call.arguments:
            return _Named(before, rest[:start], rest[end:])
        return None
    return None
