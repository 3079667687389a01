"""Grammars of calls: what they accept of the text of a call, and what they refuse."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import Constraint, ToolChoice
from a3s_power_jupyter.engine.chat.call_grammar import (
    SpecialTokens,
    after_thoughts,
    begun_call,
    forced_calls,
)
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
from a3s_power_jupyter.engine.chat.parsing.parser import AnswerParser
from a3s_power_jupyter.engine.chat.parsing.parts import Arguments
from a3s_power_jupyter.engine.chat.writing import Call, calls_text
from a3s_power_jupyter.engine.constraints.compiler import ConstraintCompiler
from a3s_power_jupyter.engine.constraints.grammar import grammar_of
from tests.support.byte_tokens import ByteTokens
from tests.support.chat_templates import TEMPLATES

REQUIRED = ToolChoice("required")


def tool(name: str, properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required), **more}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [
    tool(
        "find_thing",
        {
            "what": {"type": "string"},
            "count": {"type": "integer", "minimum": 2},
            "tags": {"type": "array", "items": {"type": "string"}},
            "deep": {"type": "boolean"},
        },
        "what",
    ),
    tool("find", {}),
    tool(
        "pick",
        {
            "color": {"$ref": "#/$defs/Color"},
            "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "color",
        **{"$defs": {"Color": {"enum": ["red", "blue"], "type": "string"}}},
    ),
]

GOOD = [
    ("find_thing", {"what": "a b"}),
    ("find_thing", {"what": "é <b> {x} [y] \\", "count": 3, "tags": ["x", "y"], "deep": True}),
    ("find_thing", {"what": "1", "deep": False}),
    ("find", {}),
    ("pick", {"color": "red"}),
    ("pick", {"color": "blue", "limit": None}),
    ("pick", {"color": "blue", "limit": 12}),
]

BAD = [
    ("find_thing", {}),
    ("find_thing", {"what": "a", "count": 1}),
    ("find_thing", {"what": "a", "count": "many"}),
    ("find_thing", {"what": "a", "tags": [1]}),
    ("find_thing", {"what": "a", "tags": {"a": 1}}),
    ("find_thing", {"what": "a", "deep": 0}),
    ("find_thing", {"what": "a", "other": "b"}),
    ("find_other", {"what": "a"}),
    ("find", {"what": "a"}),
    ("pick", {"color": "green"}),
    ("pick", {"limit": 1}),
    ("pick", {"color": "red", "limit": 1.5}),
]


@dataclass
class Syntax:
    """A format, with a vocabulary that has some of its markers as special tokens."""

    format: ChatFormat
    vocabulary: ByteTokens

    @property
    def special(self) -> SpecialTokens:
        return SpecialTokens.used(self.format, self.vocabulary.tokenizer)

    def text(self, *calls: tuple[str, dict[str, Any]]) -> str:
        pattern = getattr(self.format.calls, "id_pattern", "")
        ids = [str(i) if pattern.startswith("[0-9]") else f"abcdEF12{i}" for i in range(9)]
        named = [Call(*call, ids[i]) for i, call in enumerate(calls)]
        return calls_text(self.format.calls, named)

    def forced(self, **options: Any) -> str:
        choice = options.pop("choice", REQUIRED)
        parallel = options.pop("parallel", True)
        tools = options.pop("tools", TOOLS)
        return forced_calls(self.format, tools, choice, parallel, special=self.special, **options)

    def begun(self, tools: list[dict[str, Any]] = TOOLS) -> str:
        return begun_call(self.format, tools, True, special=self.special)

    def accepts(self, grammar: str, text: str) -> bool:
        return self.vocabulary.accepts(grammar, text)


def syntaxes() -> list[Any]:
    """Each format, without special tokens and with all of its markers as special tokens."""
    found = []
    for name, template in TEMPLATES.items():
        texts = [*template.format.calls.texts]
        if template.format.reasoning:
            texts += [template.format.reasoning.start, template.format.reasoning.end]
        pattern = r"<[^\s<>=]+>|\[/?[A-Z_]+\]"
        special = dict.fromkeys(marker for text in texts for marker in re.findall(pattern, text))
        found.append(pytest.param(Syntax(template.format, ByteTokens()), id=f"{name}, text"))
        if special:
            vocabulary = ByteTokens([*special])
            found.append(pytest.param(Syntax(template.format, vocabulary), id=f"{name}, tokens"))
    return found


@pytest.fixture(params=syntaxes())
def syntax(request: pytest.FixtureRequest) -> Syntax:
    found: Syntax = request.param
    return found


def test_valid_calls_are_accepted(syntax: Syntax) -> None:
    for grammar in (syntax.forced(), syntax.begun()):
        for call in GOOD:
            text = syntax.text(call)
            assert syntax.vocabulary.accepted(grammar, text) == text
            assert syntax.accepts(grammar, text)


def test_invalid_calls_are_refused(syntax: Syntax) -> None:
    for grammar in (syntax.forced(), syntax.begun()):
        for call in BAD:
            assert not syntax.accepts(grammar, syntax.text(call)), call


def test_an_answer_has_several_calls_only_if_it_may(syntax: Syntax) -> None:
    two = syntax.text(GOOD[1], GOOD[5])
    several = not syntax.format.calls.one_call
    assert syntax.accepts(syntax.forced(), two) == several
    assert syntax.accepts(syntax.begun(), two) == several
    assert not syntax.accepts(syntax.forced(parallel=False), two)
    named = ToolChoice("required", "pick")
    assert not syntax.accepts(syntax.forced(choice=named), syntax.text(GOOD[5], GOOD[5]))


def test_a_named_function_is_the_only_one(syntax: Syntax) -> None:
    grammar = syntax.forced(choice=ToolChoice("required", "pick"))
    assert syntax.accepts(grammar, syntax.text(("pick", {"color": "red"})))
    assert not syntax.accepts(grammar, syntax.text(("find", {})))


def test_an_answer_has_to_call(syntax: Syntax) -> None:
    for text in ("", "hello", "{}", "[]"):
        assert not syntax.accepts(syntax.forced(), text)


@pytest.mark.parametrize("tokens", [False, True], ids=["text", "tokens"])
def test_a_model_may_think_before_it_calls(tokens: bool) -> None:
    format_ = ChatFormat(GENERIC_CALLS, ReasoningSyntax("<think>", "</think>"))
    syntax = Syntax(format_, ByteTokens(["<think>", "</think>"] if tokens else []))
    call = syntax.text(GOOD[0])
    thought = "<think>\na < b, </thin, <tool_call>\n</think>\n\n"
    assert syntax.accepts(syntax.forced(), thought + call)
    assert syntax.accepts(syntax.forced(), call)
    opened = syntax.forced(prompt_end="assistant\n<think>\n")
    assert syntax.accepts(opened, thought.removeprefix("<think>") + call)
    assert not syntax.accepts(opened, call)
    closed = syntax.forced(prompt_end="assistant\n<think>\n\n</think>\n\n")
    assert syntax.accepts(closed, call)
    assert not syntax.accepts(closed, thought + call)


def test_white_space_may_differ_in_calls_that_have_begun() -> None:
    syntax = Syntax(TEMPLATES["Qwen3-Coder"].format, ByteTokens())
    texts = [
        "<tool_call><function=pick><parameter=color>red</parameter></function></tool_call>",
        "<tool_call>\n<function=pick>\n<parameter=color>\nred\n</parameter>\n</function>\n"
        "</tool_call>",
        "<tool_call>\n\n<function=pick>\n\n<parameter=color>red</parameter></function></tool_call>",
        "<tool_call>\n<function=find_thing><parameter=what>\n  a\n\n</parameter>\n"
        "<parameter=tags>\n[\n  \"x\"\n]\n</parameter></function> </tool_call>",
    ]  # fmt: skip
    for text in texts:
        assert syntax.vocabulary.accepted(syntax.begun(), text) == text
    hermes = Syntax(TEMPLATES["Hermes"].format, ByteTokens(["<tool_call>", "</tool_call>"]))
    text = '<tool_call>{"name":"pick",\n  "arguments": {"color":"red"}}</tool_call>'
    assert hermes.accepts(hermes.begun(), text)


def test_special_tokens_may_be_spelled_out_in_calls_that_have_begun() -> None:
    """The text before the grammar begins is fed as text."""
    format_ = TEMPLATES["DeepSeek V3.1"].format
    with_tokens = ByteTokens([text for text in format_.calls.texts if text])
    grammar = Syntax(format_, with_tokens).begun()
    data = Syntax(format_, with_tokens).text(GOOD[0]).encode()
    matcher = with_tokens.matcher(grammar)
    assert matcher.try_consume_tokens(list(data)) == len(data)


def test_an_end_token_is_not_asked_for_within_a_text() -> None:
    format_ = ChatFormat(NamedJson("<f=", ">", "</f>", after="</s>"))
    syntax = Syntax(format_, ByteTokens(["<other>"]))
    assert syntax.special == SpecialTokens({}, frozenset({"</s>"}))
    assert syntax.accepts(syntax.forced(), "<f=find>{}</f>")


CONTENT = grammar_of(Constraint("json_schema", {"type": "integer"}))


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (ChatFormat(), "12"),
        (ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>")), "<think>1</think>\n12"),
        (ChatFormat(content=ContentSyntax("<a>", "</a>")), "<a>12</a>"),
        (
            ChatFormat(Harmony()),
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
            "<|message|>12",
        ),
    ],
)
def test_thoughts_come_before_constrained_content(format_: ChatFormat, text: str) -> None:
    grammar = after_thoughts(format_, CONTENT)
    vocabulary = ByteTokens()
    assert vocabulary.accepts(grammar, text)
    assert not vocabulary.accepts(grammar, text.replace("12", "x"))


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("regex", "[0-9]+"),
        Constraint("choice", ["12", "13"]),
        Constraint("lark", "start: NUMBER\nNUMBER: /[0-9]+/"),
        Constraint("gbnf", "root ::= [0-9]+"),
    ],
    ids=lambda constraint: constraint.kind,
)
def test_every_constraint_may_follow_thoughts(constraint: Constraint) -> None:
    format_ = ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>"))
    grammar = after_thoughts(format_, grammar_of(constraint))
    assert ByteTokens().accepts(grammar, "<think>1</think>12")
    assert not ByteTokens().accepts(grammar, "<think>1</think>x")


def test_constrained_content_may_follow_without_thoughts() -> None:
    format_ = ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>"))
    assert ByteTokens().accepts(after_thoughts(format_, CONTENT), "12")
    assert after_thoughts(format_, CONTENT, prompt_end="<think></think>") == CONTENT


# ---------------------------------------------------------------- values

STYLES = {
    "JSON": JsonCalls(),
    "tags": TaggedArguments("<c ", ">", "<a ", ">", "</a>", "</c>"),
    "typed tags": TaggedArguments("<c ", ">", "<a ", " s>", "</a>", "</c>", string_key_end=" j>"),
    "quotes": TaggedArguments("c:", "{", "", ":", "", "}", ",", string_quote="~"),
    "Python": Pythonic(),
}

VALUES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "any value": ({}, ["x", 1, None, True, [1, {"a": None}], {"b": [False]}], []),
    "a nullable string": ({"type": ["string", "null"]}, ["x y", None], []),
    "a string or a list": (
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
        ["x", [1, 2], []],
        [["x"], [1.5]],
    ),
    "a nullable enum": ({"enum": ["a", "b c", None]}, ["a", "b c", None], ["c"]),
    "an enum of numbers": ({"enum": [1, 2.5]}, [1, 2.5], [2]),
    "a constant": ({"const": "x"}, ["x"], ["y"]),
    "a short string": ({"type": "string", "minLength": 2, "maxLength": 4}, ["ab"], ["a", "abcde"]),
    "a pattern": ({"type": "string", "pattern": "^[a-z]+/[0-9]$"}, ["ab/1"], ["ab", "ab/1x"]),
    "a part of a pattern": ({"type": "string", "pattern": "[0-9]"}, ["ab1c"], ["ab"]),
    "a pattern and a length": (
        {"type": "string", "pattern": "^a*$", "maxLength": 3}, ["aa"], ["aaaa", "ab"],
    ),
    "a date": ({"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29", "x"]),
    "an address": ({"type": "string", "format": "uri"}, ["https://a.example/b?c=d"], ["x y"]),
    "a nullable number with bounds": (
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}, [0.5, None], [-1, "x"],
    ),
    "a list of flags": (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
        [[True], [True, False]],
        [[], [1], [True, True, True]],
    ),
    "an object": (
        {
            "type": "object",
            "properties": {"a": {"type": "boolean"}, "b": {"type": "string"}},
            "required": ["b"],
        },
        [{"b": "x"}, {"a": True, "b": "x"}],
        [{"a": True}, {"b": 1}, {"b": "x", "c": 1}],
    ),
    "a map": (
        {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
        [{}, {"a": 1, "b": None}],
        [{"a": "x"}],
    ),
    "a tree": (
        {"$ref": "#/$defs/Tree"},
        [{"leaf": None}, {"leaf": True, "inner": [{"leaf": None}]}],
        [{"inner": [{}]}, {"leaf": 1}],
    ),
    "a choice of objects": (
        {
            "oneOf": [
                {"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]},
                {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]},
            ]
        },
        [{"k": "a"}, {"k": "b"}],
        [{"k": "c"}, {}],
    ),
}  # fmt: skip

TREE = {
    "type": "object",
    "properties": {
        "leaf": {"type": ["boolean", "null"]},
        "inner": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
    },
    "required": ["leaf"],
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("style", STYLES)
def test_a_value_is_valid_for_its_schema(style: str, value: str) -> None:
    schema, good, bad = VALUES[value]
    tools = [tool("f", {"x": schema}, "x", **{"$defs": {"Tree": TREE}})]
    syntax = Syntax(ChatFormat(STYLES[style]), ByteTokens())
    grammar = syntax.forced(tools=tools)
    for content in good:
        text = syntax.text(("f", {"x": content}))
        assert syntax.vocabulary.accepted(grammar, text) == text
        assert syntax.accepts(grammar, text)
    for content in bad:
        assert not syntax.accepts(grammar, syntax.text(("f", {"x": content}))), content


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("style", STYLES)
def test_any_answer_of_a_grammar_has_valid_arguments(style: str, value: str) -> None:
    """Random answers are read as calls, and checked by jsonschema."""
    parameters = {"x": VALUES[value][0], "y": {"type": "integer"}}
    tools = [tool("f", parameters, "x", **{"$defs": {"Tree": TREE}})]
    syntax = Syntax(ChatFormat(STYLES[style]), ByteTokens())
    begun = begun_call(syntax.format, tools, False)
    for grammar in (syntax.forced(tools=tools, parallel=False), begun):
        text = syntax.vocabulary.sample(grammar, seed=len(value))
        if text is not None:
            parser = AnswerParser(syntax.format, tools)
            parts = [*parser.push(text), *parser.finish()]
            found = "".join(part.text for part in parts if isinstance(part, Arguments))
            jsonschema.validate(json.loads(found), tools[0]["function"]["parameters"])


@pytest.mark.parametrize("style", STYLES)
def test_arguments_come_in_the_order_of_the_schema(style: str) -> None:
    names = ["a", "b", "c", "d"]
    tools = [tool("f", {name: {"type": "integer"} for name in names}, "b")]
    syntax = Syntax(ChatFormat(STYLES[style]), ByteTokens())
    grammar = syntax.forced(tools=tools)
    for keys in ("b", "ab", "bc", "bd", "abcd", "acd", "a", "ba", "bb"):
        text = syntax.text(("f", dict.fromkeys(keys, 1)))
        allowed = "b" in keys and list(keys) == sorted(set(keys))
        if keys != "bb":  # which a dictionary cannot have
            assert syntax.accepts(grammar, text) == allowed, keys


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "not": ({"not": {"type": "string"}}, "not"),
    "a list with a contained item": ({"type": "array", "contains": {"const": 1}}, "contains"),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_schema_that_cannot_be_kept_is_refused(style: str, name: str) -> None:
    schema, keyword = UNSUPPORTED[name]
    tools = [tool("other", {}), tool("f", {"x": schema})]
    with pytest.raises(InvalidParameter) as caught:
        forced_calls(ChatFormat(STYLES[style]), tools, REQUIRED, True)
    assert "'f'" in str(caught.value)
    assert keyword in str(caught.value)
    assert caught.value.param is not None
    assert caught.value.param.startswith("tools[1].function.parameters#/properties/x")


@pytest.mark.parametrize(
    ("style", "key"),
    [
        ("tags", "a>b"),
        ("tags", " a"),
        ("tags", "a\nb"),
        ("tags", ""),
        ("typed tags", "a j>b"),
        ("Python", "a b"),
        ("quotes", "a:b"),
    ],
)
def test_a_name_that_cannot_be_written_is_refused(style: str, key: str) -> None:
    tools = [tool("f", {key: {"type": "string"}}, key)]
    with pytest.raises(InvalidParameter, match="name of the property"):
        forced_calls(ChatFormat(STYLES[style]), tools, REQUIRED, True)
    syntax = Syntax(ChatFormat(STYLES["JSON"]), ByteTokens())
    assert syntax.accepts(syntax.forced(tools=tools), syntax.text(("f", {key: "x"})))


@pytest.mark.parametrize(
    ("style", "values"),
    [("tags", ["1", 2]), ("tags", ["null", None]), ("tags", ["a</a>"]), ("quotes", ["a~"])],
)
def test_a_constant_that_is_not_clear_is_refused(style: str, values: list[Any]) -> None:
    tools = [tool("f", {"x": {"enum": values}})]
    with pytest.raises(InvalidParameter, match="/properties/x"):
        forced_calls(ChatFormat(STYLES[style]), tools, REQUIRED, True)


def test_constants_that_look_like_numbers_may_be_strings() -> None:
    tools = [tool("f", {"x": {"enum": ["1", "true"]}})]
    syntax = Syntax(ChatFormat(STYLES["tags"]), ByteTokens())
    for value in ("1", "true"):
        assert syntax.accepts(syntax.forced(tools=tools), syntax.text(("f", {"x": value})))


@pytest.mark.parametrize("style", ["tags", "Python", "quotes"])
def test_alternatives_of_all_arguments_are_refused(style: str) -> None:
    tools = [tool("f", {"x": {}}, anyOf=[{"required": ["x"]}])]
    with pytest.raises(InvalidParameter, match="anyOf"):
        forced_calls(ChatFormat(STYLES[style]), tools, REQUIRED, True)


@pytest.mark.parametrize("style", STYLES)
def test_the_parameters_may_be_a_reference(style: str) -> None:
    reference = {"$ref": "#/$defs/Tree", "$defs": {"Tree": TREE}}
    syntax = Syntax(ChatFormat(STYLES[style]), ByteTokens())
    for parameters in (reference, {**reference, "type": "object", "properties": {}}):
        tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        grammar = syntax.forced(tools=tools)
        for arguments in ({"leaf": True}, {"leaf": None, "inner": [{"leaf": False}]}):
            assert syntax.accepts(grammar, syntax.text(("f", arguments)))
        for arguments in ({}, {"leaf": 1}, {"leaf": True, "inner": [{}]}, {"leaf": True, "x": 1}):
            assert not syntax.accepts(grammar, syntax.text(("f", arguments)))


def test_parameters_have_to_be_an_object() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]
    with pytest.raises(InvalidParameter, match="'object'"):
        forced_calls(ChatFormat(), tools, REQUIRED, True)


@pytest.mark.parametrize("parameters", [True, {}, {"type": "object"}])
def test_a_function_without_parameters_is_called_without_arguments(parameters: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    for calls in STYLES.values():
        syntax = Syntax(ChatFormat(calls), ByteTokens())
        assert syntax.accepts(syntax.forced(tools=tools), syntax.text(("f", {})))


def test_content_after_thoughts_is_compiled_with_the_options_of_all_constraints() -> None:
    vocabulary = ByteTokens()
    compiler = ConstraintCompiler(lambda: vocabulary.tokenizer)
    format_ = ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>"))
    for answer, is_complete in (("<think>1</think>12", True), ("12", True), ("<think>1", False)):
        matcher = compiler.matcher(after_thoughts(format_, CONTENT), "response_format")
        for token in answer.encode():
            matcher.accept(token)
        assert matcher.allows_end == is_complete
