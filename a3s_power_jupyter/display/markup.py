"""Convert untrusted text and Markdown to HTML without scripts, raw HTML or remote resources.

Displays contain this HTML instead of Markdown, because the Markdown renderers of front ends and
exporters let raw HTML and images of a trusted notebook through, and differ in what they recognize
as code.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..contract.text import printable

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

#: Longest text in characters that is parsed. The parser is not linear for all text.
MAX_LENGTH = 100_000

#: Relative links are excluded: in a notebook, they are requests to the user's own server.
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\n(?=[ \t]*\n)")


def escape(text: str) -> str:
    """Return HTML that shows `text` exactly, without control characters."""
    return _without_blank_lines(_escape(printable(text)))


def from_markdown(text: str) -> str:
    """Render Markdown from an untrusted source.

    Raw HTML is shown as text, images are links, and links have http, https or mailto URLs. Math is
    left in its delimiters, for the front end to typeset. Text longer than `MAX_LENGTH` is shown
    without formatting.
    """
    if len(text) > MAX_LENGTH:
        return _without_blank_lines(f"<pre>{html.escape(printable(text))}</pre>\n")
    rendered: str = _parser().render(printable(text))
    return _without_blank_lines(rendered)


def _without_blank_lines(markup: str) -> str:
    # nbconvert writes outputs into Markdown, where a blank line ends HTML.
    return _BLANK_LINE.sub("&#10;", markup)


def _escape(text: str) -> str:
    # MathJax finds delimiters only within one text node, so this dollar sign is not one.
    return html.escape(text).replace("$", "<span>$</span>")


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    class Parser(MarkdownIt):
        def validateLink(self, url: str) -> bool:  # noqa: N802
            return bool(_LINK.match(url))

    def rule(render: Callable[[str], str]) -> Callable[..., str]:
        return lambda _self, tokens, index, *_: render(tokens[index].content)

    def link_open(self: RendererHTML, tokens: list[Token], index: int, *rest: object) -> str:
        token = tokens[index]
        token.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
        opening: str = self.renderToken(tokens, index, *rest)  # type: ignore[arg-type]
        is_empty = tokens[index + 1].type == "link_close"
        return opening + _escape(str(token.attrs["href"])) if is_empty else opening

    def cell_open(self: RendererHTML, tokens: list[Token], index: int, *rest: object) -> str:
        # JupyterLab aligns the cells of HTML tables to the right.
        tokens[index].attrs.setdefault("style", "text-align:left")
        return self.renderToken(tokens, index, *rest)  # type: ignore[arg-type]

    parser = Parser("js-default", {"html": False}).disable("image")
    parser.use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    parser.use(amsmath_plugin)
    parser.add_render_rule("text", rule(_escape))
    parser.add_render_rule("link_open", link_open)
    parser.add_render_rule("th_open", cell_open)
    parser.add_render_rule("td_open", cell_open)
    parser.add_render_rule("math_inline", rule(lambda math: f"${html.escape(math)}$"))
    parser.add_render_rule("math_inline_double", rule(lambda math: f"$${html.escape(math)}$$"))
    parser.add_render_rule("math_block", rule(lambda math: f"<p>$${html.escape(math)}$$</p>\n"))
    parser.add_render_rule("amsmath", rule(lambda math: f"<p>{html.escape(math)}</p>\n"))
    return parser
