"""Calls and results of a history, in templates with tools."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from a3s_power_jupyter.engine.chat.format import ChatFormat, ReasoningSyntax
from support.rendering import assistant, learnt, prompt_of, system, user

TOOLS = [{"type": "function", "function": {"name": "add", "strict": True, "parameters": True}}]

#: Each message in one line, with `CALL` for each call and `RESULT` for each result.
HISTORY = (
    "{% if tools %}{{ tools | tojson }}\n{% endif %}{% for m in messages %}"
    "{% if m.role == 'tool' %}RESULT{% else %}{{ m.role }}:"
    "{% if m.content %} {{ m.content }}{% endif %}"
    "{% for c in m.tool_calls or [] %} CALL{% endfor %}{% endif %}{{ '\\n' }}{% endfor %}"
)


def source(call: str, result: str = "{{ m.tool_call_id }}={{ m.content }}", **changes: str) -> str:
    text = HISTORY.replace("CALL", call).replace("RESULT", result)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


OBJECTS = source("{{ c.id }} {{ c.function.name }} {{ c.function.arguments | tojson }}")
TEXTS = source("{{ c.id }} {{ c.function.name }} {{ c.function.arguments }}")
SHORT_IDS = source(
    "{% if c.id | length != 9 %}{{ raise_exception('9 characters') }}{% endif %}"
    "{{ c.id }} {{ c.function.name }} {{ c.function.arguments | tojson }}"
)
NAMED_IDS = source("{{ c.id }} {{ c.function.arguments | tojson }}")
NULL_CONTENT = OBJECTS.replace("m.tool_calls or []", "(m.tool_calls if m.content is none else [])")
ONE_CALL = OBJECTS.replace(
    "{% for c in",
    "{% if m.tool_calls and m.tool_calls | length > 1 %}{{ raise_exception('one call') }}"
    "{% endif %}{% for c in",
)


def call(id_: str | None = "call_1", name: str = "add", arguments: str = '{"a": 1}') -> Any:
    function = {"name": name, "arguments": arguments}
    return {"type": "function", "function": function, **({"id": id_} if id_ else {})}


def result(content: str, **fields: str) -> dict[str, Any]:
    return {"role": "tool", "content": content, **fields}


def native(arguments_as: Literal["object", "text"] = "object", **fields: Any) -> ChatFormat:
    return ChatFormat(native_tools=True, native_calls=True, arguments_as=arguments_as, **fields)


def history(source: str, *messages: dict[str, Any], **fields: Any) -> list[str]:
    """Return the lines of the messages after "user: Hi"."""
    template = learnt(source, native(**fields))
    return prompt_of(template, [user("Hi"), *messages]).splitlines()[1:]


CALL = assistant("", tool_calls=[call()])
RESULT = result("3", tool_call_id="call_1")


def test_arguments_are_an_object_or_text_as_the_template_wants() -> None:
    line = 'assistant: call_1 add {"a": 1}'
    assert history(OBJECTS, CALL, RESULT) == [line, "call_1=3"]
    assert history(TEXTS, CALL, RESULT, arguments_as="text") == [line, "call_1=3"]


@pytest.mark.parametrize(
    ("arguments", "written"),
    [("", "{}"), ('{"a":"ä\\n"}', '{"a": "ä\\n"}'), ('{"a": ', '"{\\"a\\": "'), ("[1]", "[1]")],
)
def test_arguments_that_the_model_got_wrong_are_still_in_the_prompt(
    arguments: str, written: str
) -> None:
    message = assistant("", tool_calls=[call(arguments=arguments)])
    assert history(OBJECTS, message, RESULT)[0] == f"assistant: call_1 add {written}"


def test_ids_have_nine_characters_if_the_template_demands_it() -> None:
    first, second = call("call_abcdefghijklmnopqrstuvwx"), call("Ab3456789")
    lines = history(
        SHORT_IDS,
        assistant("", tool_calls=[first, second]),
        result("1", tool_call_id=first["id"]),
        result("2", tool_call_id=second["id"]),
    )
    id_ = lines[1].partition("=")[0]
    assert len(id_) == 9
    assert id_.isalnum()
    assert lines == [
        f'assistant: {id_} add {{"a": 1}} Ab3456789 add {{"a": 1}}', f"{id_}=1", "Ab3456789=2",
    ]  # fmt: skip


def test_ids_have_the_name_of_the_function_if_the_template_writes_nothing_else() -> None:
    again = assistant("", tool_calls=[call("call_1", "sub")])
    lines = history(NAMED_IDS, CALL, RESULT, again, RESULT)
    assert lines == [
        'assistant: functions.add:0 {"a": 1}', "functions.add:0=3",
        'assistant: functions.sub:1 {"a": 1}', "functions.sub:1=3",
    ]  # fmt: skip


def test_content_is_null_if_the_template_wants_it() -> None:
    assert history(NULL_CONTENT, CALL, RESULT)[0] == 'assistant: call_1 add {"a": 1}'


def test_text_before_a_call_has_its_own_message_if_the_template_drops_one_of_them() -> None:
    message = assistant("Let me see.", tool_calls=[call()])
    assert history(NULL_CONTENT, message, RESULT) == [
        "assistant: Let me see.", 'assistant: call_1 add {"a": 1}', "call_1=3",
    ]  # fmt: skip
    assert history(OBJECTS, message, RESULT)[0] == 'assistant: Let me see. call_1 add {"a": 1}'


def test_each_call_has_its_own_message_if_the_template_allows_only_one() -> None:
    chat = [
        assistant("Both.", tool_calls=[call("1", "add"), call("2", "sub")]),
        result("B", tool_call_id="2"), result("A", tool_call_id="1"), result("C", tool_call_id="x"),
    ]  # fmt: skip
    assert history(ONE_CALL, *chat) == [
        'assistant: Both. 1 add {"a": 1}', "1=A", 'assistant: 2 sub {"a": 1}', "2=B", "x=C",
    ]  # fmt: skip
    assert history(OBJECTS, *chat)[1:] == ["2=B", "1=A", "x=C"]


def test_missing_ids_are_made_up() -> None:
    chat = [
        assistant("", tool_calls=[call(None, "add"), call(None, "sub")]),
        result("S", name="sub"), result("A"), result("?"),
    ]  # fmt: skip
    calls, second, first, unknown = history(OBJECTS, *chat)
    ids = calls.split()[1::4]
    assert len({*ids}) == 2
    assert (first, second) == (f"{ids[0]}=A", f"{ids[1]}=S")
    assert unknown.endswith("=?")


def test_a_result_has_the_name_of_its_function() -> None:
    named = source(
        "{{ c.id }} {{ c.function.name }} {{ c.function.arguments | tojson }}",
        "{{ m.name }}={{ m.content }}",
    )
    assert history(named, CALL, RESULT)[1] == "add=3"


def test_a_system_message_is_not_lost_after_a_result() -> None:
    lost = "{% if messages[-1].role != 'tool' %}{{ messages[0].content }}\n{% endif %}"
    kept = lost + OBJECTS.replace("messages %}", "messages if m.role != 'system' %}")
    chat = [system("Be brief."), user("Hi"), CALL, RESULT]
    assert prompt_of(learnt(kept, native()), chat).startswith("user: Be brief.\n\nHi\n")


def test_the_tools_have_the_keys_that_templates_read() -> None:
    prompt = prompt_of(learnt(OBJECTS, native()), [user("Hi")], tools=TOOLS)
    function = {
        "name": "add",
        "description": "",
        "parameters": {"type": "object", "properties": {}},
    }
    assert json.loads(prompt.splitlines()[0]) == [{"type": "function", "function": function}]


def test_thoughts_are_left_out_if_the_template_rejects_them_beside_text() -> None:
    both = (
        "{% for m in messages %}{% if m.tool_calls and m.content and m.thinking %}"
        "{{ raise_exception('not both') }}{% endif %}{% endfor %}"
        + OBJECTS.replace("{{ m.role }}:", "{{ m.role }}:{{ m.thinking and ' (Hm)' }}")
    )
    thinks = {"reasoning": ReasoningSyntax("", "", history="thinking")}
    thoughts = {"reasoning_content": "Hm", "tool_calls": [call()]}
    lines = history(
        both, assistant("Look.", **thoughts), RESULT, assistant("", **thoughts), **thinks
    )
    assert lines[0] == 'assistant: Look. call_1 add {"a": 1}'
    assert lines[2] == 'assistant: (Hm) call_1 add {"a": 1}'


def test_the_user_may_write_after_a_result_although_the_assistant_has_to_answer() -> None:
    strict = (
        "{% for m in messages %}{% if m.role == 'user' and loop.index > 1 "
        "and loop.previtem.role == 'tool' %}"
        "{{ raise_exception('answer first') }}{% endif %}{% endfor %}" + OBJECTS
    )
    lines = history(strict, CALL, RESULT, user("Stop"))
    assert lines[1:] == ["call_1=3", "assistant:  ", "user: Stop"]
    assert history(OBJECTS, CALL, RESULT, user("Stop"))[1:] == ["call_1=3", "user: Stop"]


def test_a_template_can_read_the_tools_from_the_system_message() -> None:
    source = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ m.tools }}\n{% endfor %}"
    template = learnt(source, native(tools_in="system_message"))
    for chat in ([user("Hi")], [system("A"), user("Hi")]):
        first = prompt_of(template, chat, tools=TOOLS).splitlines()[0]
        (function,) = json.loads(first[first.index("[") :])
        assert function["name"] == "add"
    assert "None" not in prompt_of(template, [user("Hi")])


def test_a_template_may_change_its_lists() -> None:
    queue = OBJECTS.replace(
        "{% for m in messages %}", "{% set ids = [] %}{% for m in messages %}", 1
    )
    queue = queue.replace("{{ c.id }}", "{{ ids.append(c.id) or c.id }}")
    queue = queue.replace("{{ m.tool_call_id }}", "{{ ids.pop(0) }}")
    assert history(queue, CALL, RESULT) == ['assistant: call_1 add {"a": 1}', "call_1=3"]
