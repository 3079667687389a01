"""Find the code in the answer of a model, as ``labextension/src/lab/code/answerCode.ts`` does."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Names of one language in fences.
_NAMES = (
    ("python", "py", "python3", "ipython", "ipython3", "pycon"),
    ("javascript", "js", "node", "jsx"),
    ("typescript", "ts", "tsx"),
    ("bash", "sh", "shell", "zsh", "console"),
    ("markdown", "md", "gfm"),
    ("c++", "cpp", "cxx"),
    ("julia", "jl"),
    ("ruby", "rb"),
    ("rust", "rs"),
    ("yaml", "yml"),
)

#: Languages of prose, so an answer without a fence is in them.
_PROSE = ("markdown", "html", "latex")

_THOUGHTS = re.compile(r"\A\s*<(think|thinking)>.*?(?:</\1>|\Z)", re.DOTALL)
_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})(.*)")
_LANGUAGE = re.compile(r"[{.]*([\w+#-]*)", re.ASCII)

#: How a line of code may begin.
_CODE_LINE = re.compile(
    r"""[ \t]|$|[#@%!)\]}]|//
    |(?:import|from|def|class|for|while|if|elif|else|try|except|finally|with|return|raise|assert
       |async|await|pass|print|let|const|var|function|using|library|end)\b
    |[\w.\[\]'",\ \t*]+(?:[-+*/%&|^:]?=(?!=)|<-)
    |[\w.]+\(""",
    re.VERBOSE | re.ASCII,
)

#: How a traceback begins in a block: with a heading, a frame, or only the error.
_TRACEBACK = re.compile(
    r"""(?:-{5,}\n)?(?:[\w.]+[ ]+)?Traceback[ ]\(most[ ]recent[ ]call[ ]last\)
    |[ \t]*File[ ]"[^"\n]*",[ ]line[ ]\d
    |(?:Cell|Input)[ ]In[ ]?\[\d+\]
    |[A-Z]\w*(?:Error|Exception|Interrupt)(?::.*)?(?:\n[ \t]+at[ ].*)*\Z""",
    re.VERBOSE | re.ASCII,
)


class FoundCode(NamedTuple):
    """The code of an answer.

    Attributes
    ----------
    code : str or None
        None if there is none that can be used.
    note : str
        What the user should know about it; empty for nothing.
    """

    code: str | None
    note: str


class _Block(NamedTuple):
    language: str
    code: str


def find_code(answer: str, language: str = "python") -> FoundCode:
    """Return the code of an answer, for code in `language`; empty for any.

    Of several blocks in the language, it is the longest, without quoted tracebacks. An answer
    without a fence is code only if all its lines look so.
    """
    text = _THOUGHTS.sub("", answer)
    blocks = _blocks_of(text)
    if not blocks:
        is_code = text.strip() != "" if _family(language) in _PROSE else _looks_like_code(text)
        return FoundCode(_trimmed(text) if is_code else None, "")
    blocks = [block for block in blocks if not _TRACEBACK.match(block.code)]
    usable = [block.code for block in blocks if _is_of(block.language, language) and block.code]
    if not usable:
        others = [block.language for block in blocks if not _is_of(block.language, language)]
        names = ", ".join(dict.fromkeys(others))
        note = f"The answer has no code in {language}, but in {names}." if names else ""
        return FoundCode(None, note)
    several = f"The answer has {len(blocks)} blocks of code. This is the longest."
    return FoundCode(max(usable, key=len), several if len(blocks) > 1 else "")


def _blocks_of(text: str) -> list[_Block]:
    """Return the fenced blocks of a Markdown text. One that has not ended is a block, too."""
    blocks: list[_Block] = []
    lines: list[str] = []
    indentation = fence = language = ""
    for line in re.split(r"\r?\n", text):
        found = _FENCE.fullmatch(line)
        info = found[3].strip() if found else ""
        if not fence:
            if found and not (found[2][0] == "`" and "`" in info):
                match = _LANGUAGE.match(info)
                indentation, fence, lines = found[1], found[2], []
                language = match[1].lower() if match else ""
        elif found and found[2].startswith(fence) and not info:
            blocks.append(_Block(language, _trimmed("\n".join(lines))))
            fence = ""
        else:
            spaces = len(line) - len(line.lstrip(" "))
            lines.append(line[min(spaces, len(indentation)) :])
    return [*blocks, _Block(language, _trimmed("\n".join(lines)))] if fence else blocks


def _is_of(block: str, language: str) -> bool:
    return not block or not language or _family(block) == _family(language)


def _family(language: str) -> str:
    name = language.lower()
    return next((names[0] for names in _NAMES if name in names), name)


def _looks_like_code(text: str) -> bool:
    lines = _trimmed(text).split("\n")
    is_code = all(_CODE_LINE.match(n) and not re.fullmatch(r"[A-Z].*\.", n) for n in lines)
    return bool(text.strip()) and is_code


def _trimmed(text: str) -> str:
    """Remove the empty lines at both ends."""
    return re.sub(r"\A(?:[ \t]*\r?\n)+", "", text).rstrip()
