"""The syntax in which a model writes its thoughts and calls tools.

`learning` finds it by rendering the model's chat template. It crosses the pipe of the rendering
process, so these are msgspec structs, and this module imports nothing else. It is one file, though
a long one, because its structs are read together.

All texts are literal, as the template writes them, with their white space. Models vary the white
space around their markers, so a parser compares markers without it: it looks for the `opening` of
a syntax, and skips white space wherever two parts of a call meet. In the examples, upper case
stands for what a call fills in.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class ReasoningSyntax(msgspec.Struct, frozen=True):
    """The texts around the thoughts of a model, such as ``<think>`` and ``</think>``.

    A prompt may end with `start`: then the answer begins with thoughts. It may also end with both,
    which asks for an answer without thoughts.

    Attributes
    ----------
    history : str
        Where the template reads thoughts in an assistant message: a key of the message, or
        "thinking_part" for a content part ``{"type": "thinking", "thinking": TEXT}``, or "content"
        if the content is rendered with its markers. Empty if thoughts are never rendered.
    switch : str
        The template's variable for whether the model thinks, such as "enable_thinking". Empty if
        it has none.
    """

    start: str
    end: str
    history: str = ""
    switch: str = ""


class ContentSyntax(msgspec.Struct, frozen=True):
    """The texts around the content of an answer, which are not part of it.

    Command R7B writes ``<|START_RESPONSE|>CONTENT<|END_RESPONSE|>``. A model may leave them out.
    What comes between thoughts and `start` is not content.
    """

    start: str
    end: str = ""


class JsonCalls(msgspec.Struct, frozen=True, tag="json_calls"):
    """Calls that are JSON objects.

    The calls are `before`, the calls joined with `separator`, `after`; each is `start`, a JSON
    object, `end`. With `in_list`, one JSON list of the objects takes the place of the joined calls,
    and `start`, `end` and `separator` are empty.

    - Hermes, Qwen: ``<tool_call>\\n{"name": NAME, "arguments": {...}}\\n</tool_call>``, with these
      tags as `start` and `end`.
    - Mistral: ``[TOOL_CALLS][{"name": NAME, "arguments": {...}, "id": ID}]``, with `in_list` and
      `before`.
    - Llama 3.1: ``{"name": NAME, "parameters": {...}}`` without any marker.
    - Apertus: ``<|tools_prefix|>[{NAME: {...}}]<|tools_suffix|>``, with `name_is_key`.

    Attributes
    ----------
    name_key, arguments_key, id_key : str
        Keys of the object. `id_key` is empty if calls have no ids.
    id_first : bool
        Whether the id comes before the name, not after the arguments.
    id_pattern : str
        Regular expression of the ids. Empty if calls have no ids.
    wrapper : str
        The key of an object around name and arguments, as in ``{"function": {"name": ...}}``;
        the id is outside of it.
    constants : dict[str, str]
        Further keys of the object that come first, as in ``{"type": "function", ...}``.
    name_is_key : bool
        Whether an object has one key, the name, and the arguments as its value.
    optional_before : str
        A text that the model may also write before a call, such as Llama's ``<|python_tag|>``.
    one_call : bool
        Whether an answer can have one call only.
    """

    before: str = ""
    after: str = ""
    start: str = ""
    end: str = ""
    separator: str = ""
    in_list: bool = False
    name_key: str = "name"
    arguments_key: str = "arguments"
    id_key: str = ""
    id_first: bool = False
    id_pattern: str = ""
    wrapper: str = ""
    constants: dict[str, str] = {}
    name_is_key: bool = False
    optional_before: str = ""
    one_call: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """All literal texts."""
        around = (self.before, self.start, self.end, self.separator, self.after)
        return (*around, self.optional_before)

    @property
    def opening(self) -> str:
        """The text with which calls begin. If it is empty, the answer begins with the JSON."""
        return _opening(self.before, self.start)


class NamedJson(msgspec.Struct, frozen=True, tag="named_json"):
    """Calls that are a name, and then the arguments as a JSON object.

    The calls are `before`, the calls joined with `separator`, `after`. Each is `start`, NAME,
    `arguments_start`, a JSON object, `end`. A call with an id has the id and `id_between` after
    `start`, or with `id_after_name`, has `id_between` and the id after NAME.

    - Functionary 3.1: ``<function=NAME>{...}</function>``.
    - DeepSeek V3.1: ``<|tool_calls_begin|><|tool_call_begin|>NAME<|tool_sep|>{...}
      <|tool_call_end|><|tool_calls_end|>``, with wider bars. DeepSeek R1 writes
      ``function<|tool_sep|>`` before NAME, and a code block of Markdown around the arguments.
    - Mistral since 2025: ``[TOOL_CALLS]NAME[ARGS]{...}``, in Mistral Small 3.2 with an id:
      ``[TOOL_CALLS]NAME[CALL_ID]ID[ARGS]{...}``.
    - Kimi K2: ``<|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>{...}
      <|tool_call_end|>``, where ":" is `id_between`.
    - Solar Open: ``<|tool_call:begin|>ID<|tool_call:name|>NAME<|tool_call:args|>{...}``.

    Attributes
    ----------
    id_pattern : str
        Regular expression of the ids. Empty if calls have no ids.
    bare_first : bool
        Whether the prompt already ends with `start`, as that of Functionary 3.2 does with ``>>>``.
    """

    start: str
    arguments_start: str
    end: str = ""
    before: str = ""
    after: str = ""
    separator: str = ""
    id_between: str = ""
    id_after_name: bool = False
    id_pattern: str = ""
    bare_first: bool = False
    one_call: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """All literal texts."""
        call = (self.start, self.id_between, self.arguments_start, self.end)
        return (self.before, *call, self.separator, self.after)

    @property
    def opening(self) -> str:
        """The text with which calls begin."""
        return _opening(self.before, self.start)


class TaggedArguments(msgspec.Struct, frozen=True, tag="tagged_arguments"):
    """Calls with their name and each argument between tags.

    The calls are `before`, the calls joined with `separator`, `after`. Each is `start`, NAME,
    `name_end`, the arguments joined with `argument_separator`, `end`. An argument is
    `argument_start`, KEY, `key_end`, VALUE, `value_end`. A string is written as it is, and other
    values as JSON. Models also write ``True``, ``False`` and ``None``.

    - Qwen3-Coder: ``<tool_call>\\n<function=NAME>\\n<parameter=KEY>\\nVALUE\\n</parameter>\\n
      </function>\\n</tool_call>``.
    - GLM 4.5: ``<tool_call>NAME\\n<arg_key>KEY</arg_key>\\n<arg_value>VALUE</arg_value>\\n
      </tool_call>``.
    - MiniMax M2: ``<minimax:tool_call>\\n<invoke name="NAME">\\n<parameter name="KEY">VALUE
      </parameter>\\n</invoke>\\n</minimax:tool_call>``.
    - DeepSeek V3.2: with ``" string="true">`` as `string_key_end` and ``" string="false">`` as
      `key_end`.
    - Gemma 4: ``<|tool_call>call:NAME{KEY:<|"|>VALUE<|"|>}<tool_call|>``, with ``<|"|>`` as
      `string_quote`.

    Attributes
    ----------
    string_key_end : str
        The text in place of `key_end` before a string. Empty if it is the same.
    closing_key_end : str
        The text after KEY in the closing tag, if an argument ends with `value_end`, KEY and this
        text, as in ``<KEY>VALUE</KEY>``. Empty if the closing tag has no key.
    string_quote : str
        The text around every string, also those in lists and objects. If it is not empty, the keys
        of objects have no quotes, and the rest is JSON.
    cdata : bool
        Whether a string may be in ``<![CDATA[`` and ``]]>``.
    """

    start: str
    name_end: str
    argument_start: str
    key_end: str
    value_end: str
    end: str
    argument_separator: str = ""
    string_key_end: str = ""
    closing_key_end: str = ""
    string_quote: str = ""
    cdata: bool = False
    before: str = ""
    after: str = ""
    separator: str = ""
    one_call: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """All literal texts."""
        argument = (self.argument_start, self.key_end, self.string_key_end, self.string_quote)
        closing = (self.value_end, self.closing_key_end, self.argument_separator)
        around = (self.before, self.start, self.name_end, self.end, self.separator, self.after)
        return (*around, *argument, *closing)

    @property
    def opening(self) -> str:
        """The text with which calls begin."""
        return _opening(self.before, self.start)


class Pythonic(msgspec.Struct, frozen=True, tag="pythonic"):
    """Calls in the syntax of Python, with keyword arguments.

    The calls are `before`, the calls joined with `separator` (in ``[`` and ``]`` with `in_list`),
    `after`. Each is ``NAME(KEY=VALUE, KEY=VALUE)``, where values are literals of Python, or with
    `json_values`, of JSON.

    - Llama 3.2 and 4: ``[NAME(KEY=VALUE), NAME(KEY=VALUE)]``.
    - LFM2: ``<|tool_call_start|>[NAME(KEY=VALUE)]<|tool_call_end|>``.
    """

    before: str = ""
    after: str = ""
    in_list: bool = True
    separator: str = ", "
    json_values: bool = False
    one_call: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """All literal texts."""
        return (self.before, self.separator, self.after)

    @property
    def opening(self) -> str:
        """The text with which calls begin. If it is empty, the answer begins with the calls."""
        return self.before.strip()


class Harmony(msgspec.Struct, frozen=True, tag="harmony"):
    """The channels of gpt-oss, which hold thoughts, content and calls.

    ``<|channel|>analysis<|message|>THOUGHT<|end|><|start|>assistant<|channel|>commentary
    to=functions.NAME <|constrain|>json<|message|>{...}<|call|>``, and ``<|channel|>final<|message|>
    CONTENT<|return|>``. The recipient can also come before ``<|channel|>``. The prompt ends with
    ``<|start|>assistant``. Thoughts are part of this syntax: the format has no `reasoning` but for
    `history` and `switch`.
    """

    one_call: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """All literal texts that occur in an answer before its end."""
        return ("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>")

    @property
    def opening(self) -> str:
        """Empty: the header of a message tells whether it is a call."""
        return ""


CallSyntax = JsonCalls | NamedJson | TaggedArguments | Pythonic | Harmony

#: The syntax that models are asked for if their template knows no tools.
GENERIC_CALLS = JsonCalls(start="<tool_call>\n", end="\n</tool_call>", separator="\n")


class ChatFormat(msgspec.Struct, frozen=True):
    """How a model writes its answers.

    Attributes
    ----------
    calls : CallSyntax
        The syntax of calls: `GENERIC_CALLS` if the template knows no tools.
    reasoning : ReasoningSyntax, optional
        The syntax of thoughts. None if the model does not think, as far as the template shows.
    content : ContentSyntax, optional
        The texts around content, if there are any.
    native_tools : bool
        Whether the template describes tools in the prompt. If not, a generic prompt does.
    tools_in : str
        Where the template reads the tools: "variable" for its variable ``tools``, or
        "system_message" for the key ``tools`` of the first message, as JSON (Phi-4-mini).
    native_calls : bool
        Whether the template renders the calls and the results of a history.
    arguments_as : str
        Whether the template wants the arguments of a call in the history as an "object", or as
        "text" in JSON.
    """

    calls: CallSyntax = GENERIC_CALLS
    reasoning: ReasoningSyntax | None = None
    content: ContentSyntax | None = None
    native_tools: bool = False
    tools_in: Literal["variable", "system_message"] = "variable"
    native_calls: bool = False
    arguments_as: Literal["object", "text"] = "object"

    @property
    def capabilities(self) -> tuple[Literal["tools", "reasoning"], ...]:
        """What the template has natively, as in the `capabilities` of a model."""
        tools: tuple[Literal["tools"], ...] = ("tools",) if self.native_tools else ()
        return tools if self.reasoning is None else (*tools, "reasoning")

    def uses(self, token: str) -> bool:
        """Return whether the text of a special token occurs in the syntax of an answer.

        Such tokens are generated as text, for the parser of answers.
        """
        return bool(token) and any(token in text for text in self._texts())

    def _texts(self) -> tuple[str, ...]:
        texts = self.calls.texts
        for around in (self.reasoning, self.content):
            if around is not None:
                texts = (*texts, around.start, around.end)
        return texts


def _opening(before: str, start: str) -> str:
    """Return the first marker of calls: the text before all of them, or else before each."""
    return before.strip() or start.strip()
