"""Find out what a template renders, by rendering made-up chats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, Literal, get_args

from msgspec.structs import replace

from ..chat.format import ChatFormat
from . import calls
from .contents import Message
from .messages import reads_thoughts
from .protocol import Ids, RenderOptions, Template, Traits
from .sandbox import TemplateFailed

#: Renders messages as they are.
Render = Callable[[list[Message], RenderOptions], str]

#: Parts of made-up chats.
USER: Message = {"role": "user", "content": "a3s-user-1"}
USER_2 = {"role": "user", "content": "a3s-user-2"}
ANSWER = {"role": "assistant", "content": "a3s-answer-1"}
ANSWER_2 = {"role": "assistant", "content": "a3s-answer-2"}
SYSTEM = {"role": "system", "content": "a3s-system-1"}
SYSTEM_2 = {"role": "system", "content": "a3s-system-2"}

TEXT = "a3s-text"

TOOL = {
    "type": "function",
    "function": {
        "name": "a3s_tool",
        "description": "a3s",
        "parameters": {"type": "object", "properties": {"a3s_key": {"type": "string"}}},
    },
}


def find_traits(render: Render, template: Template) -> Traits:
    """Find out which messages a template renders. `template` has its format and content traits."""
    probe = _Probe(render)
    if not probe.shows([USER]):
        return template.traits
    alternates = not (probe.shows([USER, USER_2]) and probe.shows([USER, ANSWER, ANSWER_2, USER_2]))
    empty_answer = [USER, {**ANSWER, "content": ""}, USER_2]
    traits = replace(
        template.traits,
        system=_system(probe),
        alternates=alternates,
        begins_with_user=not probe.shows([ANSWER, USER])
        and probe.shows([{**USER_2, "content": ""}, ANSWER, USER]),
        drops_empty_answers=not probe.shows(empty_answer),
    )
    return _call_traits(probe, traits, template.format)


class _Probe:
    """Renders chats to find out whether their texts are in the prompt."""

    def __init__(self, render: Render) -> None:
        self._render = render

    def shows(self, messages: list[Message], *texts: str, **options: Any) -> bool:
        """Whether the prompt has the texts, by default the content of the messages."""
        texts = texts or tuple(message["content"] for message in messages)
        try:
            prompt = self._render(messages, RenderOptions(**options))
        except TemplateFailed:
            return False
        return all(text in prompt for text in texts)


def _system(probe: _Probe) -> Literal["anywhere", "first", "before_user", "none"]:
    if not probe.shows([SYSTEM, USER]):
        return "none"
    if not probe.shows([SYSTEM, USER, ANSWER], add_generation_prompt=False):
        return "before_user"
    if not probe.shows([SYSTEM, SYSTEM_2, USER]):
        return "first"
    later = [SYSTEM, USER, ANSWER, SYSTEM_2, USER_2]
    return "anywhere" if probe.shows(later) else "first"


# ---------------------------------------------------------------- calls


def _call_traits(probe: _Probe, traits: Traits, format_: ChatFormat) -> Traits:
    if not format_.native_calls:
        return replace(traits, results=probe.shows([USER, ANSWER, _result(1)], tools=[TOOL]))

    def shows(candidate: Traits, messages: list[Message], *texts: str) -> bool:
        return probe.shows(calls.native(messages, candidate, format_), *texts, tools=[TOOL])

    def first_of(candidates: Iterable[Traits], messages: list[Message], *texts: str) -> Traits:
        """Return the first candidate with which all is shown, or else the traits so far."""
        working = (one for one in candidates if shows(one, messages, *texts))
        return next(working, traits)

    one = _calling("", 1)
    forms = product(get_args(Ids), (False, True))
    candidates = [replace(traits, ids=ids, null_content=null) for ids, null in forms]
    traits = first_of(candidates, [USER, one, _result(1)], *_texts(1))
    if traits.system in ("anywhere", "first"):
        last = replace(traits, system="before_user")
        chat = [SYSTEM, USER, one, _result(1)]
        traits = traits if shows(traits, chat, SYSTEM["content"]) else last
    both = [USER, _calling("", 2), _result(1), _result(2)]
    candidates = [traits, replace(traits, splits_calls=True)]
    traits = first_of(candidates, both, *_texts(1), *_texts(2))
    chat = [USER, _calling(TEXT, 1), _result(1)]
    if not shows(traits, chat, TEXT, *_texts(1)):
        split = replace(traits, splits_text=True)
        traits = first_of([split], [*chat, ANSWER, USER_2], TEXT, *_texts(1))
    chat = [USER, one, _result(1), USER_2]
    answered = [*chat[:3], {**ANSWER, "content": " "}, USER_2]
    if not shows(traits, chat, *_texts(1)) and shows(traits, answered, *_texts(1)):
        traits = replace(traits, answers_results=True)
    syntax = format_.reasoning
    if syntax is not None and reads_thoughts(syntax):
        thoughtful = {**_calling(TEXT, 1), syntax.history: "a3s-thought"}
        beside = shows(traits, [USER, thoughtful, _result(1)], *_texts(1))
        traits = replace(traits, thoughts_beside_text=beside)
    return traits


def _calling(text: str, count: int) -> Message:
    """Return a message that calls functions other than `TOOL`, which may not be in the prompt."""
    numbers = range(1, count + 1)
    return {"role": "assistant", "content": text, "tool_calls": [
        {
            "id": f"call_a3sprobe{number}",
            "type": "function",
            "function": {
                "name": f"a3s_name_{number}",
                "arguments": f'{{"a3s_key": "a3s_value_{number}"}}',
            },
        }
        for number in numbers
    ]}  # fmt: skip


def _result(number: int) -> Message:
    return {
        "role": "tool",
        "tool_call_id": f"call_a3sprobe{number}",
        "name": f"a3s_name_{number}",
        "content": f"a3s-result-{number}",
    }


def _texts(number: int) -> tuple[str, str, str]:
    """Return the texts of a call and of its result."""
    return f"a3s_name_{number}", f"a3s_value_{number}", f"a3s-result-{number}"
