"""Read the prompts of the assistant, and fill them with code and errors.

`labextension/src/lab/code/prompts.ts` fills them in the same way.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from ..contract.regular_file import read_text
from ..contract.types import Prompt, Prompts

#: Bytes of the largest file of an administrator.
MAX_BYTES = 1 << 20

#: The words that may be in braces.
WORDS = ("code", "before", "after", "error", "question", "language")

#: Languages as they are written in sentences; others stay as they are.
LANGUAGES = {
    "bash": "Bash",
    "css": "CSS",
    "html": "HTML",
    "javascript": "JavaScript",
    "json": "JSON",
    "julia": "Julia",
    "latex": "LaTeX",
    "markdown": "Markdown",
    "python": "Python",
    "r": "R",
    "ruby": "Ruby",
    "rust": "Rust",
    "scala": "Scala",
    "sql": "SQL",
    "typescript": "TypeScript",
    "yaml": "YAML",
}

_CODE = ("code", "after")
_ANY_WORD = re.compile(r"\{([a-z_]+)\}")
_WORD = re.compile(rf"\{{({'|'.join(WORDS)})\}}")
#: The language and the space after it are left out if it is not known.
_LANGUAGE_WORD = re.compile(r"\{language\} ?")
_INFO = re.compile(r"[\w+#.-]{1,40}", re.ASCII)
_PARAGRAPHS = re.compile(r"\n(?:[ \t]*\n)+")
_SPACE = " \t\r\n"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt of the file."""

    user: Annotated[str, Meta(min_length=1)]
    system: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prompts of a file; those of the package take the place of missing ones."""

    explain_error: _Entry | None = None
    fix_error: _Entry | None = None
    explain: _Entry | None = None
    improve: _Entry | None = None
    document: _Entry | None = None
    write_tests: _Entry | None = None
    write_code: _Entry | None = None


def read_prompts(text: str) -> dict[str, Prompt]:
    """Read a file of prompts, in TOML.

    Raises
    ------
    ValueError
        If it is not valid. The message says what is wrong.
    """
    try:
        entries = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    prompts: dict[str, Prompt] = {}
    for name in entries.__struct_fields__:
        entry: _Entry | None = getattr(entries, name)
        if entry is not None:
            _check(name, entry)
            prompts[name] = Prompt(entry.system.strip(), entry.user.strip())
    return prompts


def _check(name: str, entry: _Entry) -> None:
    for word in _ANY_WORD.findall(entry.system + entry.user):
        if word not in WORDS:
            known = ", ".join(f"{{{word}}}" for word in WORDS)
            raise ValueError(f"{name}: there is no {{{word}}}. Use {known}")


def built_in_prompts() -> Prompts:
    """Return the prompts of this package."""
    text = files(__package__).joinpath("prompts.toml").read_text(encoding="utf-8")
    return Prompts(**read_prompts(text))


def load_prompts(path: Path) -> Prompts:
    """Return the prompts in a file, and those of the package that it does not replace.

    Raises
    ------
    ValueError
        If the file cannot be read or is not valid.
    """
    replaced = read_prompts(read_text(path, MAX_BYTES))
    return msgspec.structs.replace(built_in_prompts(), **replaced)


class AssistantPrompts:
    """The prompts of a server.

    Parameters
    ----------
    path : Path or None
        The administrator's file.

    Attributes
    ----------
    problem : str or None
        Why the file is not used.
    """

    def __init__(self, path: Path | None) -> None:
        self.problem: str | None = None
        self._prompts: Prompts | None = None
        if path is not None:
            try:
                self._prompts = load_prompts(path)
            except ValueError as error:
                self.problem = (
                    f"The prompts file {path} is not used: {error}. Correct it, and restart the "
                    "server."
                )

    def get(self) -> Prompts:
        """Return the prompts."""
        if self._prompts is None:
            self._prompts = built_in_prompts()
        return self._prompts


def messages(prompt: Prompt, values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the messages of a request: the system message, if there is one, and the user's.

    Parameters
    ----------
    values : mapping of str to str
        What replaces the words in braces (`WORDS`); what is missing is empty. "before" is in fences
        already (see `fenced_passages`), as its parts have languages of their own.
    """
    system, user = fill(prompt.system, values), fill(prompt.user, values)
    return [
        *([{"role": "system", "content": system}] if system else []),
        {"role": "user", "content": user},
    ]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace the words in braces, and leave out the paragraphs that have an empty one.

    The values are put in as they are: braces in them are not replaced. An unknown language is only
    left out itself.
    """
    language = values.get("language", "").strip(_SPACE)
    if not language:
        template = _LANGUAGE_WORD.sub("", template)

    def value(match: re.Match[str]) -> str:
        text = values.get(match[1], "")
        if match[1] in _CODE:
            return fenced(text, language)
        if match[1] == "language":
            return LANGUAGES.get(language, language)
        return fenced(text) if match[1] == "error" else text.strip(_SPACE)

    paragraphs = _PARAGRAPHS.split(template.strip(_SPACE))
    kept = (p for p in paragraphs if all(_has_text(values, w) for w in _WORD.findall(p)))
    return "\n\n".join(_WORD.sub(value, paragraph) for paragraph in kept)


def _has_text(values: Mapping[str, str], word: str) -> bool:
    return bool(values.get(word, "").strip(_SPACE))


class Passage(NamedTuple):
    """Code in a language as in Markdown; '' if it is not known."""

    language: str
    code: str


def fenced_passages(passages: Iterable[Passage]) -> str:
    """Return code in Markdown fences, one for each run of passages in the same language."""
    shown = (passage for passage in passages if passage.code.strip(_SPACE))
    runs = groupby(shown, key=lambda passage: passage.language)
    return "\n\n".join(
        fenced("\n\n".join(passage.code for passage in run), language) for language, run in runs
    )


def fenced(text: str, language: str = "") -> str:
    """Return `text` in a Markdown fence that is longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    info = language if _INFO.fullmatch(language) else ""
    return "\n".join((fence + info, text.strip("\r\n"), fence))
