"""Find the syntax of thoughts, and the texts around content."""

from __future__ import annotations

import re
from typing import Any

from ..format import ContentSyntax, ReasoningSyntax
from .probes import CONTENT, USER, Probes
from .samples import FIRST
from .texts import common_prefix, common_suffix, first_marker

_THOUGHT = "a3s-thought"

#: Keys of a message in which templates look for thoughts.
_KEYS = ("reasoning_content", "reasoning", "thinking", "thought")

#: Variables that templates have for whether the model thinks.
_SWITCHES = ("enable_thinking", "thinking")

#: Markers of thoughts that a template may only mention, for example because it removes thoughts.
_PAIRS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
)

#: Longest text around thoughts.
MAX_MARKER = 100

#: The last marker of a text.
_LAST_MARKER = re.compile(r"(<[^<>\s]+>|\[[A-Z_]+\])\s*$")


def learn_reasoning(probes: Probes, source: str) -> ReasoningSyntax | None:
    """Return the syntax of thoughts, or None if the template shows none."""
    switch = _switch(probes)
    found = _from_history(probes, switch)
    history = ""
    if found is not None:
        start, end, history = found
    else:
        pair = _from_prompt(probes, switch) or _mentioned(source)
        if pair is None:
            return None
        start, end = pair
    return ReasoningSyntax(start, end, history, switch)


def _switch(probes: Probes) -> str:
    """Return the variable that changes how an answer begins."""
    for name in _SWITCHES:
        on = probes.prompt(**{name: True})
        if on is not None and on != probes.prompt(**{name: False}):
            return name
    return ""


def _from_history(probes: Probes, switch: str) -> tuple[str, str, str] | None:
    """Return the texts around thoughts of the history, and where the template reads them."""
    thoughts = {key: f"{_THOUGHT}-{key}-end" for key in _KEYS}
    part = f"{_THOUGHT}-part-end"
    content = [{"type": "thinking", "thinking": part}, {"type": "text", "text": CONTENT}]
    on: dict[str, Any] = {switch: True} if switch else {}
    plain = {"content": CONTENT, **thoughts}
    texts = (
        probes.answer(plain),
        probes.answer(plain, **on),
        probes.calls([FIRST], **thoughts),
        probes.answer({"content": content}, **on),
    )
    for text in texts:
        for key, thought in [*thoughts.items(), ("thinking_part", part)]:
            if text is not None and thought in text:
                pair = _around(text, thought, probes)
                if pair is not None:
                    return *pair, key
    return None


def _around(text: str, thought: str, probes: Probes) -> tuple[str, str] | None:
    """Return the texts around a thought."""
    before, _, after = text.partition(thought)
    if "'type'" in before or '"type"' in before:
        return None  # a list of parts, printed verbatim
    plain = probes.answer({"content": CONTENT}) or ""
    end = first_marker(after) or after.partition(CONTENT)[0].strip()
    start = before.removeprefix(common_prefix(before, plain)).strip()
    if not start:
        start = _common_start(before, end, plain, probes)
    closing = _closing(start)
    if closing and after.lstrip().startswith(closing):
        end = closing
    return (start, end) if start and end and max(len(start), len(end)) < MAX_MARKER else None


def _common_start(before: str, end: str, plain: str, probes: Probes) -> str:
    """Return the text before a thought if answers without thoughts begin in the same way.

    Either they have empty thoughts, or only the prompt has the text.
    """
    match = _LAST_MARKER.search(before)
    if match and (not end or plain[len(before) :].lstrip().startswith(end)):
        return match[1]
    opened = (probes.prompt() or "").rpartition(USER)[2]
    rest = opened[len(before) :].strip() if opened.startswith(before) else ""
    return rest or (match[1] if match else "")


def _from_prompt(probes: Probes, switch: str) -> tuple[str, str] | None:
    """Return the texts around thoughts that a prompt begins, or leaves empty."""
    on = probes.prompt(**({switch: True} if switch else {})) or ""
    off = probes.prompt(**{switch: False}) if switch else None
    for prompt in (on, off or ""):
        match = _LAST_MARKER.search(prompt)
        if match is None or "think" not in match[1].lower():
            continue
        if "/" in match[1]:
            return match[1].replace("/", "", 1), match[1]
        if _closing(match[1]):
            return match[1], _closing(match[1])
    return None


def _closing(start: str) -> str:
    """Return the closing tag of an opening one."""
    if re.fullmatch(r"<[^/<>|][^<>]*>|\[[A-Z_]+\]", start):
        return f"{start[0]}/{start[1:]}"
    return ""


def _mentioned(source: str) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if pair[1] in source), None)


def learn_content(
    probes: Probes, reasoning: ReasoningSyntax | None, source: str
) -> ContentSyntax | None:
    """Return the texts around the content of an answer, if the prompt does not begin them."""
    answer = probes.answer({"content": CONTENT})
    if answer is None or CONTENT not in answer:
        return None
    before, _, after = answer.partition(CONTENT)
    prompt = (probes.prompt() or "").rpartition(USER)[2]
    header = common_prefix(before, prompt)
    rest = prompt[len(header) :].strip()
    if rest and not (reasoning and rest.startswith((reasoning.start, reasoning.end))):
        return None
    start = before[len(header) :]
    if reasoning is not None and reasoning.end:
        start = start.rpartition(reasoning.end)[2]
    start = start.lstrip()
    if not start:
        # Granite 3.3 only asks the model for it.
        is_described = "<response></response>" in source
        return ContentSyntax("<response>", "</response>") if is_described else None
    closing = start.strip().replace("START", "END")
    if closing != start and after.startswith(closing):
        return ContentSyntax(start, closing)
    return ContentSyntax(start, after.removesuffix(common_suffix(after, probes.user_end())).strip())
