"""Convert grammars in llama.cpp's GBNF to llguidance's Lark.

Syntax: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md

A grammar without recursion becomes one regular expression. In others, each character is a terminal:
llguidance's terminals take as much text as they can, which could leave nothing for what follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...contract.text import quoted
from .patterns import MAX_REPETITIONS
from .problems import CannotConstrain

_SPACE = re.compile(r"(?:[ \t]|#[^\n]*)*")
_SPACE_AND_LINES = re.compile(r"(?:\s|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_DEFINITION = re.compile(r"([A-Za-z0-9_-]+)[ \t]*::=")
_COUNTS = re.compile(r"\{[ \t]*(\d{1,7})[ \t]*(?:(,)[ \t]*(\d{1,7})?[ \t]*)?\}")
_TOKEN = re.compile(r"!?<(?:\[\d{1,9}\]|[^<>\s]{1,200})>")
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([nrt\\\"\[\]\-^]))", re.DOTALL
)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}

#: Deepest nesting of groups.
MAX_DEPTH = 100

#: Most rules. llguidance follows them on the stack of its thread.
MAX_RULES = 400


@dataclass
class _Rule:
    """A rule: its text in Lark with the names of other rules in NUL characters, and these names."""

    text: str
    names: set[str] = field(default_factory=set)
    has_tokens: bool = False


def gbnf_to_lark(grammar: str) -> str:
    """Return a grammar in Lark.

    Raises
    ------
    CannotConstrain
        If the grammar is not valid.
    """
    rules = _Parser(grammar).rules()
    if "root" not in rules:
        raise CannotConstrain("The grammar has no rule 'root'.")
    for rule in rules.values():
        for name in rule.names - set(rules):
            raise CannotConstrain(f"The grammar uses a rule that it does not define: {name}.")
    prefix = "T" if _is_regular(rules) else "r"
    new_names = {name: f"{prefix}{number}" for number, name in enumerate(rules)}
    lines = [f"start: {new_names['root']}"]
    for name, rule in rules.items():
        text = re.sub("\0(.*?)\0", lambda match: new_names[match[1]], rule.text)
        lines.append(f"{new_names[name]}: {text}")
    return "\n".join(lines)


def _is_regular(rules: dict[str, _Rule]) -> bool:
    """Whether no rule contains itself or a token, directly or through others."""
    regular: set[str] = set()
    while True:
        more = {
            name
            for name, rule in rules.items()
            if name not in regular and rule.names <= regular and not rule.has_tokens
        }
        if not more:
            return len(regular) == len(rules)
        regular |= more


class _Parser:
    def __init__(self, grammar: str) -> None:
        self._grammar = grammar
        self._at = 0
        self._depth = 0
        self._rule = _Rule("")

    def rules(self) -> dict[str, _Rule]:
        rules: dict[str, _Rule] = {}
        self._skip(_SPACE_AND_LINES)
        while self._at < len(self._grammar):
            match = _DEFINITION.match(self._grammar, self._at)
            if match is None:
                raise self._error("expects a rule 'name ::= ...'")
            if match[1] in rules:
                raise self._error(f"defines {match[1]!r} twice")
            self._at = match.end()
            self._rule = _Rule("")
            self._rule.text = self._alternatives()
            rules[match[1]] = self._rule
            self._skip(_SPACE_AND_LINES)
        if len(rules) > MAX_RULES:
            raise CannotConstrain(f"The grammar has more than {MAX_RULES} rules.")
        return rules

    def _alternatives(self) -> str:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return " | ".join(parts)

    def _sequence(self) -> str:
        parts: list[str] = []
        self._skip(_SPACE_AND_LINES)
        while self._at < len(self._grammar) and self._grammar[self._at] not in "|)":
            if _DEFINITION.match(self._grammar, self._at):
                break
            element = self._element()
            parts.append(element + self._repetition())
            self._skip(_SPACE_AND_LINES)
        return " ".join(parts) or '""'

    def _element(self) -> str:
        character = self._grammar[self._at]
        if character == '"':
            return self._literal()
        if character == "[":
            return self._class()
        if self._take("."):
            return "/(?s:.)/"
        if self._take("("):
            return self._group()
        match = _TOKEN.match(self._grammar, self._at)
        if match is not None:
            return self._token(match)
        match = _NAME.match(self._grammar, self._at)
        if match is None:
            raise self._error(f"has an unexpected {quoted(character)}")
        self._at = match.end()
        self._rule.names.add(match[0])
        return f"\0{match[0]}\0"

    def _group(self) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error("is nested too deeply")
        inner = self._alternatives()
        if not self._take(")"):
            raise self._error("has a '(' without ')'")
        self._depth -= 1
        return f"({inner})"

    def _token(self, match: re.Match[str]) -> str:
        if match[0].startswith("!"):
            raise self._error("excludes a token, which is not supported,")
        self._at = match.end()
        self._rule.has_tokens = True
        return match[0]

    def _repetition(self) -> str:
        for character in "*+?":
            if self._take(character):
                return character
        match = _COUNTS.match(self._grammar, self._at)
        if match is None:
            return ""
        least, comma, most = match.groups()
        if max(int(least), int(most or 0)) > MAX_REPETITIONS:
            raise self._error(f"repeats something more than {MAX_REPETITIONS:,} times")
        self._at = match.end()
        return f"{{{least},{most or ''}}}" if comma else f"{{{least},{least}}}"

    def _literal(self) -> str:
        self._at += 1
        text = ""
        while not self._take('"'):
            text += self._character()
        return _text(text)

    def _class(self) -> str:
        """Return a class of characters as a regular expression."""
        self._at += 1
        out = "[^" if self._take("^") else "["
        empty = True
        while not self._take("]"):
            first = self._character()
            out += _code(first)
            if self._grammar[self._at : self._at + 1] == "-" and self._following != "]":
                self._at += 1
                last = self._character()
                if last < first:
                    raise self._error("has a range of characters that is empty")
                out += f"-{_code(last)}"
            empty = False
        if empty:
            raise self._error("has an empty class of characters")
        return f"/{out}]/"

    @property
    def _following(self) -> str:
        return self._grammar[self._at + 1 : self._at + 2]

    def _character(self) -> str:
        character = self._grammar[self._at : self._at + 1]
        if character in ("", "\n"):
            raise self._error("has a text or a class without an end")
        if character != "\\":
            self._at += 1
            return character
        match = _ESCAPE.match(self._grammar, self._at)
        if match is None:
            raise self._error(f"has an unknown escape, {quoted(self._grammar[self._at :][:2])},")
        self._at = match.end()
        if match[4]:
            return _LETTERS.get(match[4], match[4])
        code = int(match[1] or match[2] or match[3], 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self._error("has an escape that is no character")
        return chr(code)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._grammar, self._at)
        self._at = match.end() if match else self._at

    def _take(self, character: str) -> bool:
        """Skip a character if it is the next one."""
        found = self._grammar[self._at : self._at + 1] == character
        self._at += found
        return found

    def _error(self, problem: str) -> CannotConstrain:
        line = self._grammar.count("\n", 0, self._at) + 1
        return CannotConstrain(f"The grammar {problem} in line {line}.")


def _text(text: str) -> str:
    """Return a text as terminals of one character each."""
    if not text:
        return '""'
    characters = " ".join(f"/{_code(character)}/" for character in text)
    return characters if len(text) == 1 else f"({characters})"


def _code(character: str) -> str:
    """Return a character for a regular expression."""
    return rf"\u{{{ord(character):x}}}"
