"""System messages, alternating roles and content, as templates render them."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.engine.rendering.protocol import Traits
from support.rendering import ALTERNATING, LINES, assistant, learnt, prompt_of, system, user

NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m.role != 'system' %}{{ m.role }}: {{ m.content }}\n{% endif %}"
    "{% endfor %}"
)
SYSTEM_FIRST = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('The system message must be first') }}{% endif %}{% endfor %}" + LINES
)
#: Mistral Nemo's template writes the system message into the last message of the user.
SYSTEM_WITH_LAST_USER = (
    "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{{ m.role }}: {% if loop.last and m.role == 'user' %}({{ s }}) {% endif %}{{ m.content }}\n"
    "{% endfor %}"
)


@pytest.mark.parametrize("source", [NO_SYSTEM + LINES, DROPS_SYSTEM], ids=["raises", "drops"])
def test_a_system_message_is_merged_if_the_template_has_none(source: str) -> None:
    prompt = prompt_of(source, [system("Be brief."), user("Hi")])
    assert prompt.startswith("user: Be brief.\n\nHi\n")


def test_a_system_message_before_the_assistants_becomes_one_of_the_user() -> None:
    prompt = prompt_of(DROPS_SYSTEM, [system("Be brief."), assistant("Hello"), user("Hi")])
    assert prompt == "user: Be brief.\nassistant: Hello\nuser: Hi\n"


def test_a_later_system_message_is_merged_if_only_the_first_is_rendered() -> None:
    chat = [system("A"), system("B"), user("Hi"), assistant("Hello"), system("C"), user("Bye")]
    prompt = prompt_of(SYSTEM_FIRST, chat)
    assert prompt == "system: A\n\nB\nuser: Hi\nassistant: Hello\nuser: C\n\nBye\nassistant: "
    assert prompt_of(SYSTEM_FIRST, [user("Hi"), system("A")]) == ("user: Hi\nuser: A\nassistant: ")


def test_a_system_message_is_not_lost_if_the_user_is_not_the_last() -> None:
    chat = [system("A"), user("Hi"), assistant("Hello"), user("Bye")]
    prompt = prompt_of(SYSTEM_WITH_LAST_USER, chat)
    assert prompt == "user: Hi\nassistant: Hello\nuser: (A) Bye\n"
    prompt = prompt_of(SYSTEM_WITH_LAST_USER, chat[:3], add_generation_prompt=False)
    assert prompt == "user: A\n\nHi\nassistant: Hello\n"


def test_system_messages_stay_where_the_template_renders_them() -> None:
    chat = [system("A"), system("B"), user("Hi"), system("C")]
    assert prompt_of(LINES, chat) == "system: A\nsystem: B\nuser: Hi\nsystem: C\nassistant: "


def test_messages_of_one_role_are_merged_if_roles_must_alternate() -> None:
    chat = [user("A"), user("B"), assistant("C"), assistant("D"), user("E")]
    prompt = prompt_of(ALTERNATING + LINES, chat)
    assert prompt == "user: A\n\nB\nassistant: C\n\nD\nuser: E\nassistant: "
    assert prompt_of(LINES, chat).startswith("user: A\nuser: B\n")


def test_a_merged_system_message_keeps_the_roles_alternating() -> None:
    chat = [system("A"), user("B"), assistant("C"), system("D"), user("E")]
    prompt = prompt_of(NO_SYSTEM + ALTERNATING + LINES, chat)
    assert prompt == "user: A\n\nB\nassistant: C\nuser: D\n\nE\nassistant: "


def test_images_stay_in_merged_messages() -> None:
    source = ALTERNATING + (
        "{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}"
        "{% for p in m.content %}[{{ p.text if p.type == 'text' else 'image' }}]{% endfor %}"
        "{% endif %}\n{% endfor %}"
    )
    chat = [user("A"), user([{"type": "image"}, {"type": "text", "text": "B"}])]
    assert prompt_of(source, chat) == "user:[A][image][B]"


def test_text_becomes_parts_for_a_template_that_renders_only_parts() -> None:
    source = "{% for m in messages %}{% for p in m.content %}[{{ p.text }}]{% endfor %}{% endfor %}"
    assert prompt_of(source, [system("A"), user("B")]) == "[A][B]"


def test_a_template_that_needs_a_list_of_tools_gets_an_empty_one() -> None:
    source = "{% for t in tools %}{{ t }}{% endfor %}" + LINES
    assert learnt(source).traits == Traits(tools_as="empty_list")
    assert prompt_of(source, [user("Hi")]) == "user: Hi\nassistant: "


def test_an_answer_at_the_beginning_follows_an_empty_message_if_the_user_has_to_begin() -> None:
    chat = [assistant("Hello"), user("Hi")]
    assert prompt_of(ALTERNATING + LINES, chat) == "user: \nassistant: Hello\nuser: Hi\nassistant: "
    assert prompt_of(LINES, chat) == "assistant: Hello\nuser: Hi\nassistant: "


def test_an_empty_answer_is_left_out_if_the_template_rejects_it() -> None:
    source = (
        "{% for m in messages %}{% if not m.content %}{{ raise_exception('empty') }}{% endif %}"
        "{% endfor %}" + LINES
    )
    chat = [user("Hi"), assistant(""), user("Hello?")]
    assert prompt_of(source, chat) == "user: Hi\nuser: Hello?\nassistant: "
    assert prompt_of(LINES, chat) == "user: Hi\nassistant: \nuser: Hello?\nassistant: "


def test_a_template_may_get_its_tools_as_text() -> None:
    source = "{{ 'Today is ' + datetime + functions }}\n" + LINES
    prompt = prompt_of(source, [user("Hi")])
    assert prompt.endswith("[]\nuser: Hi\nassistant: ")


def test_parts_of_text_become_text_for_a_template_that_renders_only_text() -> None:
    parts = [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert prompt_of(ALTERNATING + LINES, [user(parts)]) == "user: A\nB\nassistant: "
