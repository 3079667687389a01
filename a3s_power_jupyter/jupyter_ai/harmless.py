"""Keep what a model wrote from loading images and HTML where Jupyter AI shows it as Markdown.

JupyterLab's Markdown loads remote images, which tells their server what was asked. A word joiner,
which is not seen, is put between the characters that begin an image, a tag, or a command of a
formula that does more than draw. Code blocks stay as they are: only those at the beginning of a
line, which no list or quote can end. Where parsers of Markdown may differ about the end of a code
block, the rest is treated as text.
"""

from __future__ import annotations

import re

from ..contract.fences import IndentedBlock, indented_block

_JOINER = "\u2060"

#: Commands of formulas that set styles, link, load packages or define others.
_COMMANDS = (
    r"(?:style|class|cssId|href|require|includegraphics|csname|let|[egx]?def|"
    r"(?:re)?new(?:command|environment)|DeclareMathOperator|mmlToken|bbox)\b"
)
_PLACES = [
    (r"(?<=!)", r"(?=\[)"),
    (r"(?<=<)", r"(?=[A-Za-z/!?])"),
    (r"(?<=\\)", f"(?={_COMMANDS})"),
]
_BEGINS = re.compile("|".join(before + after for before, after in _PLACES))
_JOINED = re.compile("|".join(before + _JOINER + after for before, after in _PLACES))
_FENCE = re.compile(r"(`{3,})([^`]*)|(~{3,})(.*)")
#: JupyterLab draws these, and a drawing may have images.
_DRAWN = re.compile(r"\s*mermaid", re.IGNORECASE)


def harmless(markdown: str) -> str:
    """Return Markdown that shows `markdown` without images and HTML."""
    lines = []
    fence = ""
    is_unclear = False
    all_lines = re.split(r"(?<=[\n\r])", markdown)
    contents = [line.rstrip("\r\n") for line in all_lines]
    indented = IndentedBlock(-1, True)
    for index, (line, content) in enumerate(zip(all_lines, contents, strict=True)):
        if not fence and not is_unclear and index > indented.end:
            indented = indented_block(contents, index) or indented
            is_unclear = not indented.is_clear
        if is_unclear or (not fence and not _FENCE.fullmatch(content)):
            line = _BEGINS.sub(_JOINER, line)
        elif fence:
            if re.fullmatch(rf" {{0,3}}{fence}{fence[0]}*[ \t]*", content):
                fence = ""
            elif re.match(rf"\s*{fence}", content):
                is_unclear = True
                line = _BEGINS.sub(_JOINER, line)
        elif found := _FENCE.fullmatch(content):
            fence, info = (found[1], found[2]) if found[1] else (found[3], found[4])
            if _DRAWN.match(info):
                line = f"{fence}text\n" if line != content else f"{fence}text"
        lines.append(line)
    return "".join(lines)


def as_written(markdown: str) -> str:
    """Undo `harmless`, for a model that continues the conversation."""
    return _JOINED.sub("", markdown)
