"""The messages that a chat of Jupyter AI is sent as."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from a3s_power_jupyter.jupyter_ai.conversation import NOTICE, messages_of, shortened

POWER = "power"


def message(id: str, sender: str, body: str, **fields: Any) -> Any:  # noqa: A002
    known = {"deleted": None, "metadata": None, "attachments": None} | fields
    return SimpleNamespace(id=id, sender=sender, body=body, **known)


def to(persona: str) -> dict[str, Any]:
    return {"metadata": {"to_persona": persona}}


def sent(*chat: Any, system: str = "") -> list[dict[str, Any]]:
    return messages_of(chat, chat[-1], POWER, system, lambda each: each.attachments or [])


def test_only_the_conversation_with_the_persona_is_sent() -> None:
    chat = [
        message("1", "ada", "first", **to(POWER)),
        message("2", POWER, "answer <\u2060b>"),
        message("3", "ada", "for another", **to("other")),
        message("4", "other", "its answer"),
        message("5", "ada", "/model x", **to(POWER)),
        message("6", POWER, "x answers", metadata={NOTICE: True}),
        message("7", "ada", "", deleted=True, **to(POWER)),
        message("8", "ada", "second", **to(POWER)),
    ]
    assert sent(*chat, system="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer <b>"},
        {"role": "user", "content": "second"},
    ]


def test_messages_after_the_question_wait() -> None:
    question = message("1", "ada", "first", **to(POWER))
    later = message("2", "ada", "second", **to(POWER))
    messages = messages_of([question, later], question, POWER, "", lambda _: [])
    assert messages == [{"role": "user", "content": "first"}]


def test_attachments_come_before_the_question() -> None:
    part = {"type": "text", "text": "file"}
    [message_] = sent(message("1", "ada", "Why?", attachments=[part], **to(POWER)))
    assert message_["content"] == [part, {"type": "text", "text": "Why?"}]


def test_the_oldest_turns_are_left_out_until_only_the_question_is_left() -> None:
    roles = ["system", *["user", "assistant"] * 4, "user"]
    messages = [{"role": role, "content": str(i)} for i, role in enumerate(roles)]
    kept = []
    while (shorter := shortened(messages)) is not None:
        messages = shorter
        kept.append([each["content"] for each in messages])
    assert kept == [["0", "5", "6", "7", "8", "9"], ["0", "7", "8", "9"], ["0", "9"]]
    assert shortened([{"role": "user", "content": "9"}]) is None
