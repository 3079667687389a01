"""Write grammars in llguidance's variant of Lark.

Its syntax is documented at https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...constraints.schemas import WHITESPACE
from ..format import ChatFormat

#: Any text.
ANY = "(?s:.*)"

#: White space that a model may write where its template has line breaks.
LINES = r"/[ \t\r\n]{1,20}/"


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of a vocabulary that a format uses.

    Attributes
    ----------
    ids : Mapping
        Ids by text. A grammar names special tokens by their ids, because text does not match them.
    ends : frozenset of str
        Texts of the tokens that end an answer. A text is cut before them.
    """

    ids: Mapping[str, int] = field(default_factory=dict)
    ends: frozenset[str] = frozenset()

    @classmethod
    def used(cls, format_: ChatFormat, tokenizer: Any) -> SpecialTokens:
        """Find the special tokens of a vocabulary that a format uses.

        Parameters
        ----------
        tokenizer : llguidance.LLTokenizer
            Decides which tokens are special. It also takes added tokens for special that look like
            tags, which transformers takes for text.
        """
        special = filter(tokenizer.is_special_token, range(tokenizer.vocab_size))
        texts = {tokenizer.decode_bytes([id_]).decode(errors="replace"): id_ for id_ in special}
        used = {text: id_ for text, id_ in texts.items() if format_.uses(text)}
        ends = frozenset(text for text, id_ in used.items() if id_ in tokenizer.eos_tokens)
        return cls({text: id_ for text, id_ in used.items() if text not in ends}, ends)


class Lark:
    """Collects the rules of one grammar.

    Parameters
    ----------
    flexible : bool
        Whether line breaks may be other white space or missing, and special tokens be spelled out,
        as in text that was generated before the grammar begins.
    """

    def __init__(self, special: SpecialTokens, *, flexible: bool = False) -> None:
        self.flexible = flexible
        self._special = special
        self._rules: dict[str, str] = {}
        found = sorted(special.ids, key=len, reverse=True)
        self._tokens = re.compile("|".join(map(re.escape, found))) if found else None

    def source(self, start: str) -> str:
        """Return the grammar that begins with an expression."""
        lines = [f"start: {start}", *(f"{name}: {body}" for name, body in self._rules.items())]
        return "\n".join(lines)

    # ------------------------------------------------------------ rules

    def rule(self, body: str, options: str = "") -> str:
        """Add a rule, and return its name."""
        name = f"r{len(self._rules)}"
        self._rules[f"{name}{options}"] = body
        return name

    def reserve(self) -> str:
        """Return the name of a rule that `define` adds later, because it refers to itself."""
        name = f"r{len(self._rules)}"
        self._rules[name] = ""
        return name

    def define(self, name: str, body: str) -> None:
        """Give a reserved name its rule."""
        self._rules[name] = body

    def terminal(self, body: str) -> str:
        """Add a terminal, and return its name."""
        name = next((n for n, b in self._rules.items() if b == body and n.isupper()), None)
        if name is None:
            name = f"T{len(self._rules)}"
            self._rules[name] = body
        return name

    def json(self, schema: dict[str, Any]) -> str:
        """Add a rule for the JSON of a prepared schema, and return its name."""
        return self.rule(f"%json {json.dumps(schema)}")

    # ------------------------------------------------------------ expressions

    def text(self, literal: str) -> str:
        """Return the expression of a literal text, which may be empty."""
        for end in self._special.ends:
            literal = literal.partition(end)[0]
        return sequence(self._piece(*piece) for piece in self._pieces(literal))

    def around(self, space: str) -> str:
        """Return the expression of the white space around a string without quotes."""
        if not space:
            return ""
        return f"{json.dumps(space)}?" if self.flexible else json.dumps(space)

    def space(self) -> str:
        """Return the expression of optional white space."""
        return f"{self.terminal(f'/{WHITESPACE}/')}?"

    def until(self, literal: str, *patterns: str) -> str:
        """Return the expression of a text up to a literal text, and of that text.

        The text before its first occurrence matches all patterns as a whole.
        """
        body = literal.strip()
        before, after = literal.partition(body)[::2]
        (first, token), *rest = self._pieces(body)
        text = " & ".join(f"/{pattern}/" for pattern in patterns or (ANY,))
        if before and patterns:
            text = f"({text}) {json.dumps(before)}?"
        if token is not None:
            found = [self.terminal(text), f"<[{token}]>"]
        else:
            found = [self.rule(self.terminal(f"({text}) {json.dumps(first)}"), "[lazy]")]
        return sequence([*found, *(self._piece(*piece) for piece in rest), self.text(after)])

    def _pieces(self, literal: str) -> list[tuple[str, int | None]]:
        """Divide a text into special tokens with their ids, and texts."""
        if self._tokens is None:
            return [(literal, None)] if literal else []
        pieces: list[tuple[str, int | None]] = []
        at = 0
        for match in self._tokens.finditer(literal):
            if match.start() > at:
                pieces.append((literal[at : match.start()], None))
            pieces.append((match[0], self._special.ids[match[0]]))
            at = match.end()
        if at < len(literal):
            pieces.append((literal[at:], None))
        return pieces

    def _piece(self, text: str, token: int | None) -> str:
        if token is not None:
            spelled = f" | {json.dumps(text)}" if self.flexible else ""
            return f"(<[{token}]>{spelled})" if spelled else f"<[{token}]>"
        if not self.flexible:
            return json.dumps(text)
        words = re.split(r"(\s*\n\s*)", text)
        space = f"{self.terminal(LINES)}?"
        return sequence(space if i % 2 else _literal(word) for i, word in enumerate(words))


def _literal(text: str) -> str:
    return json.dumps(text) if text else ""


def sequence(parts: Iterable[str]) -> str:
    """Return an expression for parts that follow each other; empty ones are left out."""
    return " ".join(part for part in parts if part)


def either(parts: Iterable[str]) -> str:
    """Return an expression for one of several parts."""
    found = list(parts)
    return found[0] if len(found) == 1 else "(" + " | ".join(part or '""' for part in found) + ")"
