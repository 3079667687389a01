"""What grammars, patterns and choices accept, with a token for each byte."""

from __future__ import annotations

from typing import Any

import llguidance
import pytest
from llguidance import LLTokenizer

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.types import Constraint, ConstraintKind
from a3s_power_jupyter.engine.constraints.compiler import (
    KEPT_GRAMMARS,
    KEPT_LENGTH,
    ConstraintCompiler,
)
from a3s_power_jupyter.engine.constraints.matcher import Matcher

COMPILER = ConstraintCompiler(lambda: LLTokenizer("byte"))

ARITHMETIC = r"""
# one equation a line
root  ::= (expr "=" ws term "\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws   # a name
num   ::= [0-9]+ ws
ws    ::= [ \t\n]*
"""

JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws (
             value ("," ws value)*
           )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,3})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""


def compile_(kind: ConstraintKind, value: Any) -> Matcher:
    return COMPILER.compile(Constraint(kind, value, "field"))


def accepts(kind: ConstraintKind, value: Any, text: str) -> bool:
    matcher = compile_(kind, value)
    try:
        matcher.feed(text.encode())
    except InvalidParameter:
        return False
    return matcher.allows_end


@pytest.mark.parametrize(
    ("grammar", "text", "expected"),
    [
        (JSON, '{"a": [1, 2.5e1, true, null, "x\\n\u00e9"], "b": {}}', True),
        (JSON, '{"a": tru}', False),
        (ARITHMETIC, "(a+1)*b=5\n", True),
        (ARITHMETIC, "a+=5\n", False),
        (r'root ::= [a-z]+ "b" "\u00e9" .{2}', "abb\u00e9x\n", True),
        (r'root ::= [a-z]+ "b"', "a", False),
        ('root ::= ("a" b)*\nb ::= "]" | [\\]\\-x-z^]', "a]a-axa^", True),
        ('root ::= x\nx ::= "" | "a" x', "aaa", True),
        ('root ::=\n  "yes" |\n  "no"', "no", True),
        ("root ::= [^\\x41-\\x43\\U0001F600]{1,2}", "DA", False),
        ('root ::= a-b\na-b ::= "x"{2,}', "xxx", True),
    ],
)
def test_gbnf(grammar: str, text: str, expected: bool) -> None:
    assert accepts("gbnf", grammar, text) is expected


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= missing",
        "root ::= (",
        'root ::= "a',
        "root ::= [z-a]",
        "root ::= []",
        'other ::= "a"',
        'root ::= "a"\nroot ::= "b"',
        r'root ::= "\q"',
        r'root ::= "\uD800"',
        "root ::= " + "(" * 5000 + '"a"' + ")" * 5000,
        'root ::= "a"{1,9999999}',
        'root ::= !<[5]> "a"',
        "root ::= root",
        "root ::= " + "\n".join(f'r{i}\nr{i} ::= "a"' for i in range(5000)),
    ],
)
def test_a_gbnf_grammar_that_is_not_valid_is_refused(grammar: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        compile_("gbnf", grammar)
    assert caught.value.param == "field"
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("grammar", "text", "expected"),
    [
        ('start: "a" x\nx: %json {"type": "integer", "minimum": 3}', "a5", True),
        ('start: "a" x\nx: %json {"type": "integer", "minimum": 3}', "a2", False),
        ('%llguidance {}\nstart: A+ "."\nA: /[ab]/ // a letter', "ab.", True),
    ],
)
def test_lark(grammar: str, text: str, expected: bool) -> None:
    assert accepts("lark", grammar, text) is expected


@pytest.mark.parametrize(
    "grammar",
    [
        'start: "a" x\nx: %json {"not": {}, "x-guidance": {"lenient": true}}',
        "start: %json {",
        "start: missing",
        "start: /(?=a)/",
        'start: "a"{1,1000000000}',
        "start: <no_such_token>",
        "start: " + "(" * 5000 + '"a"' + ")" * 5000,
        "start: r0\n" + "\n".join(f'r{i}: "a" r{i + 1}' for i in range(20_000)),
    ],
)
def test_a_lark_grammar_that_is_not_valid_is_refused(grammar: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        compile_("lark", grammar)
    assert str(caught.value.param).startswith("field")
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^a(b|c)+$", "abc", True),
        ("a(b|c)+", "xabc", False),
        ("^a|^b$", "b", True),
        (r"\d{3}", "123", True),
        (r"\d{3}", "\u0663\u0663\u0663", False),
        (r"[^\d]", "\u0663", False),
        (r"[[:x]+", "[:x", True),
        ("(?i)abc", "aBC", True),
        ("x{0,3}?", "xxx", True),
        (r"\u{1F600}\uD83D\uDE00", "😀😀", True),
        ("a.c", "a\nc", False),
    ],
)
def test_a_pattern_matches_the_whole_answer(pattern: str, text: str, expected: bool) -> None:
    assert accepts("regex", pattern, text) is expected


@pytest.mark.parametrize("pattern", ["(a", "a^b", r"\bx", r"\p{Nonsense}", "a{3,1}", "[", "(?=a)a"])
def test_a_pattern_that_is_not_supported_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        compile_("regex", pattern)
    assert caught.value.param == "field"


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [("(a", "unclosed group"), (r"\p{Nonsense}", "property not found"), ("a{3,1}", "repetition")],
)
def test_a_pattern_with_a_mistake_is_refused_with_the_reason(pattern: str, problem: str) -> None:
    with pytest.raises(InvalidParameter, match=problem):
        compile_("regex", pattern)


def test_a_choice_is_written_in_full() -> None:
    choices = ["a", "ab", 'q"\\/\n\x01é😀 ', "x|y", ""]
    assert all(accepts("choice", choices, text) for text in choices)
    assert not accepts("choice", choices, "x")


def test_an_answer_that_was_begun_is_continued() -> None:
    matcher = compile_("json_schema", {"type": "array", "items": {"const": "é"}})
    matcher.feed(b'["' + "é".encode()[:1])
    matcher.feed("é".encode()[1:] + b'"')
    assert not matcher.allows_end
    matcher.feed(b"]")
    assert matcher.allows_end
    assert matcher.is_complete
    with pytest.raises(InvalidParameter):
        matcher.feed(b"]")


def test_a_constraint_without_answers_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="No answer") as caught:
        compile_("json_schema", {"$ref": "#"})
    assert caught.value.param == "field"


@pytest.mark.parametrize("pattern", ["^a{1000000}$", "^((a{100}){100}){100}$", "^(a?){500}a{500}$"])
def test_a_large_repetition_has_no_limit_of_its_own(pattern: str) -> None:
    matcher = compile_("json_schema", {"type": "string", "pattern": pattern})
    matcher.feed(b'"' + b"a" * 100)
    assert not matcher.allows_end


def test_an_object_with_a_thousand_optional_properties() -> None:
    schema = {"type": "object", "properties": {f"p{i}": {"type": "null"} for i in range(1000)}}
    assert accepts("json_schema", schema, '{"p3": null, "p999": null}')


# ---------------------------------------------------------------- kept grammars


def test_a_grammar_is_compiled_once_for_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    original = llguidance.LLMatcher

    def new_matcher(tokenizer: Any, grammar: str, **options: Any) -> Any:
        compiled.append(grammar)
        return original(tokenizer, grammar, **options)

    monkeypatch.setattr(llguidance, "LLMatcher", new_matcher)
    compiler = ConstraintCompiler(lambda: LLTokenizer("byte"))
    for text in (b"ab", b"cd", b"ab"):
        matcher = compiler.compile(Constraint("choice", ["ab", "cd"], "field"))
        matcher.feed(text)  # no other answer sees this
        assert matcher.is_complete
    assert len(compiled) == 1


def test_few_grammars_are_kept() -> None:
    compiler = ConstraintCompiler(lambda: LLTokenizer("byte"))
    for number in range(3 * KEPT_GRAMMARS):
        compiler.compile(Constraint("choice", [f"a{number}"], "field"))
    compiler.compile(Constraint("choice", ["b" * (KEPT_LENGTH + 1)], "field"))
    assert len(compiler._kept) == KEPT_GRAMMARS


def test_an_error_of_a_kept_grammar_names_the_field_of_its_request() -> None:
    compiler = ConstraintCompiler(lambda: LLTokenizer("byte"))
    for field in ("one", "two"):
        matcher = compiler.compile(Constraint("choice", ["a"], field))
        with pytest.raises(InvalidParameter) as caught:
            matcher.feed(b"b")
        assert caught.value.param == field
