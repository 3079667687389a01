"""Chat templates in the syntaxes of common models, written for the tests, and their formats.

Each template has the syntax of the models that it is named after, and nothing else of theirs. The
file is long because it is a list.
"""

# ruff: noqa: RUF001  (DeepSeek's markers have wide bars)
from __future__ import annotations

from dataclasses import dataclass

from a3s_power_jupyter.engine.chat.format import (
    GENERIC_CALLS,
    ChatFormat,
    ContentSyntax,
    Harmony,
    JsonCalls,
    NamedJson,
    Pythonic,
    ReasoningSyntax,
    TaggedArguments,
)

THINK = ReasoningSyntax("<think>", "</think>")
ID = "[a-zA-Z0-9]{9}"
INDEX = "[0-9]{1,3}"


@dataclass(frozen=True)
class ChatTemplate:
    """A template and what is learnt from it."""

    source: str
    format: ChatFormat


def _chat(
    calls: str,
    *,
    tools: str = "{{ tools | tojson }}",
    content: str = "{{ m.content or '' }}",
    prompt: str = "",
    before: str = "",
) -> str:
    """Return a template with the turns of ChatML.

    `calls` renders the calls of the message `m`, and `content` its content.
    """
    return (
        "{% if tools %}<|im_start|>system\nTools: " + tools + "<|im_end|>\n{% endif %}"
        "{% for m in messages %}"
        "{% if m.role == 'tool' %}<|im_start|>user\n<result>{{ m.content }}</result>"
        "{% else %}{{ '<|im_start|>' + m.role + '\n' }}" + before + content + "{% endif %}"
        "{% if m.tool_calls %}" + calls + "{% endif %}<|im_end|>\n"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}" + prompt + "{% endif %}"
    )


def _each(call: str, separator: str = "") -> str:
    """Return a loop over the calls, with the variable `f` for the function."""
    between = "{% if not loop.last %}" + separator + "{% endif %}" if separator else ""
    return "{% for c in m.tool_calls %}{% set f = c.function %}" + call + between + "{% endfor %}"


def _arguments(argument: str, separator: str = "") -> str:
    """Return a loop over the arguments, with the variables `k` and `v`."""
    between = "{% if not loop.last %}" + separator + "{% endif %}" if separator else ""
    return "{% for k, v in f.arguments.items() %}" + argument + between + "{% endfor %}"


_RAW = "{{ v if v is string else v | tojson }}"
_HERMES_CALL = (
    '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}\n</tool_call>'
)
_OBJECT = '{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}'
_THOUGHTS = (
    "{% if m.reasoning_content %}{{ '<think>\n' + m.reasoning_content + '\n</think>\n\n' }}"
    "{% endif %}"
)

TEMPLATES: dict[str, ChatTemplate] = {
    "Hermes": ChatTemplate(
        _chat(_each(_HERMES_CALL, "{{ '\n' }}")),
        ChatFormat(native_tools=True, native_calls=True),
    ),
    "Qwen3": ChatTemplate(
        _chat(
            _each(_HERMES_CALL, "{{ '\n' }}"),
            before=_THOUGHTS,
            prompt="{% if enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}",
        ),
        ChatFormat(
            reasoning=ReasoningSyntax(
                "<think>", "</think>", "reasoning_content", "enable_thinking"
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Llama 3": ChatTemplate(
        _chat(
            "{% if m.tool_calls | length != 1 %}{{ raise_exception('one call only') }}{% endif %}"
            + _each('{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}')
            + "{# <|python_tag|> #}"
        ),
        ChatFormat(
            JsonCalls(arguments_key="parameters", optional_before="<|python_tag|>", one_call=True),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Llama pythonic": ChatTemplate(
        _chat(
            "["
            + _each("{{ f.name }}(" + _arguments("{{ k }}={{ v | tojson }}", ", ") + ")", ", ")
            + "]"
        ),
        ChatFormat(Pythonic(), native_tools=True, native_calls=True),
    ),
    "Mistral Nemo": ChatTemplate(
        _chat(
            "[TOOL_CALLS]["
            + _each(
                "{% if c.id | length != 9 %}{{ raise_exception('ids of 9 characters') }}{% endif %}"
                '{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}, '
                '"id": "{{ c.id }}"}',
                ", ",
            )
            + "]"
        ),
        ChatFormat(
            JsonCalls(before="[TOOL_CALLS]", in_list=True, id_key="id", id_pattern=ID),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Mistral Small": ChatTemplate(
        _chat(_each("[TOOL_CALLS]{{ f.name }}[CALL_ID]{{ c.id }}[ARGS]{{ f.arguments | tojson }}")),
        ChatFormat(
            NamedJson(
                "[TOOL_CALLS]", "[ARGS]", id_between="[CALL_ID]", id_after_name=True, id_pattern=ID
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Magistral": ChatTemplate(
        _chat(
            _each("[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}"),
            content="{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
            "{% if p.type == 'thinking' %}[THINK]{{ p.thinking }}[/THINK]"
            "{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}",
        ),
        ChatFormat(
            NamedJson("[TOOL_CALLS]", "[ARGS]"),
            ReasoningSyntax("[THINK]", "[/THINK]", "thinking_part"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Phi-4": ChatTemplate(
        "{% for m in messages %}{% if m.role == 'system' and m.tools is defined %}"
        "{{ '<|system|>' + m.content + '<|tool|>' + m.tools + '<|/tool|><|end|>' }}"
        "{% else %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ChatFormat(
            JsonCalls(before="<|tool_call|>", after="<|/tool_call|>", in_list=True),
            native_tools=True,
            tools_in="system_message",
        ),
    ),
    "Granite 3": ChatTemplate(
        _chat(
            "",
            tools="write <|tool_call|> and a JSON list. {{ tools | tojson }}",
            content="{{ m.content }}",
        )
        + "{% if thinking %}{# <think></think> and then <response></response> #}{% endif %}",
        ChatFormat(
            JsonCalls(before="<|tool_call|>", in_list=True),
            THINK,
            ContentSyntax("<response>", "</response>"),
            native_tools=True,
        ),
    ),
    "Nemotron": ChatTemplate(
        _chat("<TOOLCALL>[" + _each(_OBJECT, ", ") + "]</TOOLCALL>"),
        ChatFormat(
            JsonCalls(before="<TOOLCALL>", after="</TOOLCALL>", in_list=True),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Apertus": ChatTemplate(
        _chat(
            "<|tools_prefix|>["
            + _each('{"{{ f.name }}": {{ f.arguments | tojson }}}', ", ")
            + "]<|tools_suffix|>"
        ),
        ChatFormat(
            JsonCalls(
                before="<|tools_prefix|>", after="<|tools_suffix|>", in_list=True, name_is_key=True
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Command R7B": ChatTemplate(
        _chat(
            "<|START_ACTION|>["
            + _each(
                '\n    {"tool_call_id": "{{ loop.index0 }}", "tool_name": "{{ f.name }}", '
                '"parameters": {{ f.arguments | tojson }}}',
                ",",
            )
            + "\n]<|END_ACTION|>",
            before="{% if m.tool_calls %}<|START_THINKING|>{{ m.reasoning_content }}"
            "<|END_THINKING|>{% endif %}",
            content="{% if m.role == 'assistant' and not m.tool_calls %}"
            "<|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|>"
            "{% elif m.role != 'assistant' %}{{ m.content }}{% endif %}",
        ),
        ChatFormat(
            JsonCalls(
                before="<|START_ACTION|>",
                after="<|END_ACTION|>",
                in_list=True,
                name_key="tool_name",
                arguments_key="parameters",
                id_key="tool_call_id",
                id_first=True,
                id_pattern=INDEX,
            ),
            ReasoningSyntax("<|START_THINKING|>", "<|END_THINKING|>", "reasoning_content"),
            ContentSyntax("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "firefunction": ChatTemplate(
        _chat("functools[" + _each(_OBJECT, ", ") + "]"),
        ChatFormat(
            JsonCalls(before="functools", in_list=True), native_tools=True, native_calls=True
        ),
    ),
    "a function in each object": ChatTemplate(
        _chat(_each('<call>{"type": "function", "function": ' + _OBJECT + "}</call>")),
        ChatFormat(
            JsonCalls(
                start="<call>", end="</call>", wrapper="function", constants={"type": "function"}
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Functionary": ChatTemplate(
        _chat(_each("<function={{ f.name }}>{{ f.arguments | tojson }}</function>")),
        ChatFormat(
            NamedJson("<function=", ">", "</function>"), native_tools=True, native_calls=True
        ),
    ),
    "Functionary with recipients": ChatTemplate(
        _chat(
            _each(">>>{{ f.name + '\n' + f.arguments }}"),
            content="{% if m.content %}{{ '>>>all\n' if m.role == 'assistant' }}{{ m.content }}"
            "{% endif %}",
            prompt=">>>",
        ),
        ChatFormat(
            NamedJson(">>>", "\n", bare_first=True),
            content=ContentSyntax("all\n"),
            native_tools=True,
            native_calls=True,
            arguments_as="text",
        ),
    ),
    "DeepSeek R1": ChatTemplate(
        _chat(
            "<｜tool▁calls▁begin｜>"
            + _each(
                "<｜tool▁call▁begin｜>{{ c.type }}<｜tool▁sep｜>{{ f.name + '\n```json\n' }}"
                "{{ f.arguments | tojson }}{{ '\n```' }}<｜tool▁call▁end｜>",
                "{{ '\n' }}",
            )
            + "<｜tool▁calls▁end｜>",
            content="{{ (m.content or '').split('</think>')[-1] }}",
            prompt="{{ '<think>\n' }}",
        ),
        ChatFormat(
            NamedJson(
                "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                "\n```json\n",
                "\n```<｜tool▁call▁end｜>",
                "<｜tool▁calls▁begin｜>",
                "<｜tool▁calls▁end｜>",
                "\n",
            ),
            THINK,
            native_tools=True,
            native_calls=True,
        ),
    ),
    "DeepSeek V3.1": ChatTemplate(
        _chat(
            "<｜tool▁calls▁begin｜>"
            + _each(
                "<｜tool▁call▁begin｜>{{ f.name }}<｜tool▁sep｜>{{ f.arguments | tojson }}"
                "<｜tool▁call▁end｜>"
            )
            + "<｜tool▁calls▁end｜>",
            prompt="{{ '<think>' if thinking else '</think>' }}",
        ),
        ChatFormat(
            NamedJson(
                "<｜tool▁call▁begin｜>",
                "<｜tool▁sep｜>",
                "<｜tool▁call▁end｜>",
                "<｜tool▁calls▁begin｜>",
                "<｜tool▁calls▁end｜>",
            ),
            ReasoningSyntax("<think>", "</think>", switch="thinking"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Kimi K2": ChatTemplate(
        _chat(
            "<|tool_calls_section_begin|>"
            + _each(
                "<|tool_call_begin|>functions.{{ f.name }}:{{ loop.index0 }}"
                "<|tool_call_argument_begin|>{{ f.arguments | tojson }}<|tool_call_end|>"
            )
            + "<|tool_calls_section_end|>"
        ),
        ChatFormat(
            NamedJson(
                "<|tool_call_begin|>functions.",
                "<|tool_call_argument_begin|>",
                "<|tool_call_end|>",
                "<|tool_calls_section_begin|>",
                "<|tool_calls_section_end|>",
                id_between=":",
                id_after_name=True,
                id_pattern=INDEX,
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Kimi K2 with ids": ChatTemplate(
        _chat(
            "<|tool_calls_section_begin|>"
            + _each(
                "<|tool_call_begin|>{{ c.id }}"
                "<|tool_call_argument_begin|>{{ f.arguments | tojson }}<|tool_call_end|>"
            )
            + "<|tool_calls_section_end|>"
        ),
        ChatFormat(
            NamedJson(
                "<|tool_call_begin|>functions.",
                "<|tool_call_argument_begin|>",
                "<|tool_call_end|>",
                "<|tool_calls_section_begin|>",
                "<|tool_calls_section_end|>",
                id_between=":",
                id_after_name=True,
                id_pattern=INDEX,
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Solar Open": ChatTemplate(
        _chat(
            "<|tool_calls|>"
            + _each(
                "<|tool_call:begin|>{{ c.id }}<|tool_call:name|>{{ f.name }}<|tool_call:args|>"
                "{{ f.arguments | tojson }}<|tool_call:end|>"
            ),
        ),
        ChatFormat(
            NamedJson(
                "<|tool_call:begin|>",
                "<|tool_call:args|>",
                "<|tool_call:end|>",
                "<|tool_calls|>",
                id_between="<|tool_call:name|>",
                id_pattern=ID,
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Qwen3-Coder": ChatTemplate(
        _chat(
            _each(
                "{{ '<tool_call>\n<function=' + f.name + '>\n' }}"
                + _arguments("{{ '<parameter=' + k + '>\n' }}" + _RAW + "{{ '\n</parameter>\n' }}")
                + "{{ '</function>\n</tool_call>' }}",
                "{{ '\n' }}",
            )
        ),
        ChatFormat(
            TaggedArguments(
                "<tool_call>\n<function=",
                ">\n",
                "<parameter=",
                ">\n",
                "\n</parameter>\n",
                "</function>\n</tool_call>",
                separator="\n",
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "GLM": ChatTemplate(
        _chat(
            _each(
                "{{ '<tool_call>' + f.name + '\n' }}"
                + _arguments(
                    "{{ '<arg_key>' + k + '</arg_key>\n<arg_value>' }}"
                    + _RAW
                    + "{{ '</arg_value>\n' }}"
                )
                + "</tool_call>",
                "{{ '\n' }}",
            ),
            before=_THOUGHTS,
        ),
        ChatFormat(
            TaggedArguments(
                "<tool_call>",
                "\n",
                "<arg_key>",
                "</arg_key>\n<arg_value>",
                "</arg_value>\n",
                "</tool_call>",
                separator="\n",
            ),
            ReasoningSyntax("<think>", "</think>", "reasoning_content"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "MiniMax": ChatTemplate(
        _chat(
            "{{ '<minimax:tool_call>\n' }}"
            + _each(
                "{{ '<invoke name=\"' + f.name + '\">\n' }}"
                + _arguments(
                    "{{ '<parameter name=\"' + k + '\">' }}" + _RAW + "{{ '</parameter>\n' }}"
                )
                + "{{ '</invoke>\n' }}"
            )
            + "</minimax:tool_call>",
            before=_THOUGHTS,
            prompt="{{ '<think>\n' }}",
        ),
        ChatFormat(
            TaggedArguments(
                '<invoke name="',
                '">\n',
                '<parameter name="',
                '">',
                "</parameter>\n",
                "</invoke>\n",
                before="<minimax:tool_call>\n",
                after="</minimax:tool_call>",
            ),
            ReasoningSyntax("<think>", "</think>", "reasoning_content"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "DeepSeek V3.2": ChatTemplate(
        _chat(
            "{{ '<calls>\n' }}"
            + _each(
                "{{ '<invoke name=\"' + f.name + '\">\n' }}"
                + _arguments(
                    '<parameter name="{{ k }}" '
                    "string=\"{{ 'true' if v is string else 'false' }}\">"
                    + _RAW
                    + "{{ '</parameter>\n' }}"
                )
                + "{{ '</invoke>\n' }}"
            )
            + "</calls>"
        ),
        ChatFormat(
            TaggedArguments(
                '<invoke name="',
                '">\n',
                '<parameter name="',
                '" string="false">',
                "</parameter>\n",
                "</invoke>\n",
                string_key_end='" string="true">',
                before="<calls>\n",
                after="</calls>",
            ),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "a closing tag with the key": ChatTemplate(
        _chat(
            _each(
                '<call name="{{ f.name }}">'
                + _arguments("<{{ k }}>" + _RAW + "</{{ k }}>")
                + "</call>"
            )
        ),
        ChatFormat(
            TaggedArguments('<call name="', '">', "<", ">", "</", "</call>", closing_key_end=">"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Gemma 4": ChatTemplate(
        _chat(
            _each(
                "<|tool_call>call:{{ f.name + '{' }}"
                + _arguments(
                    '{{ k }}:{% if v is string %}<|"|>{{ v }}<|"|>{% else %}{{ v | tojson }}'
                    "{% endif %}",
                    ",",
                )
                + "}<tool_call|>"
            ),
            before="{% if m.reasoning %}{{ '<|channel>thought\n' + m.reasoning + '\n<channel|>' }}"
            "{% endif %}",
        ),
        ChatFormat(
            TaggedArguments(
                "<|tool_call>call:", "{", "", ":", "", "}<tool_call|>", ",", string_quote='<|"|>'
            ),
            ReasoningSyntax("<|channel>thought", "<channel|>", "reasoning"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "LFM2": ChatTemplate(
        _chat("", tools="<|tool_list_start|>{{ tools | tojson }}<|tool_list_end|>"),
        ChatFormat(Pythonic("<|tool_call_start|>", "<|tool_call_end|>"), native_tools=True),
    ),
    "LFM2.5": ChatTemplate(
        _chat(
            "<|tool_call_start|>["
            + _each(
                "{{ f.name }}("
                + _arguments(
                    "{{ k }}={% if v is string %}'{{ v }}'{% else %}{{ v }}{% endif %}", ", "
                )
                + ")",
                ", ",
            )
            + "]<|tool_call_end|>"
        ),
        ChatFormat(
            Pythonic("<|tool_call_start|>", "<|tool_call_end|>"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "gpt-oss": ChatTemplate(
        "{% if tools %}<|start|>developer<|message|>{{ tools | tojson }}<|end|>{% endif %}"
        "{% for m in messages %}"
        "{% if m.role == 'assistant' and m.tool_calls %}"
        "{% if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>"
        "{% endif %}"
        "<|start|>assistant to=functions.{{ m.tool_calls[0].function.name }}<|channel|>commentary "
        "json<|message|>{{ m.tool_calls[0].function.arguments | tojson }}<|call|>"
        "{% elif m.role == 'assistant' %}"
        "<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>"
        "{% elif m.role == 'tool' %}"
        "<|start|>functions.f to=assistant<|channel|>commentary<|message|>{{ m.content }}<|end|>"
        "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        ChatFormat(
            Harmony(),
            ReasoningSyntax("", "", "thinking"),
            native_tools=True,
            native_calls=True,
        ),
    ),
    "Gemma 3": ChatTemplate(
        "{% for m in messages %}{{ '<start_of_turn>' }}{{ 'model' if m.role == 'assistant' "
        "else m.role }}{{ '\n' + m.content + "
        "'<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        ChatFormat(GENERIC_CALLS),
    ),
}
