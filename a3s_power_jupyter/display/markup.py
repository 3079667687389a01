"""Convert untrusted text and Markdown to HTML without scripts, raw HTML or remote resources.

Displays contain this HTML instead of Markdown, because the Markdown renderers of front ends and
exporters let raw HTML and images of a trusted notebook through, and differ in what they recognize
as code. `labextension/src/views/chat/markdown.ts` does the same in the browser.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..contract.text import printable
from . import tex

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

#: Longest text in characters that is parsed. The parser is not linear for all text.
MAX_LENGTH = 100_000

#: Most formulas of a text that are typeset, which takes a front end about a millisecond each.
MAX_FORMULAS = 500

# Relative links are excluded: in a notebook, they are requests to the user's own server. So are
# names and passwords before the host, which make one host look like another.
_LINK = re.compile(
    r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:[/?#].*)?|mailto:[^/\\]+",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}", re.ASCII)
_BLANK_LINE = re.compile(r"\n(?=[ \t]*\n)")


def escape(text: str) -> str:
    """Return HTML that shows `text` exactly, without control characters."""
    return _without_blank_lines(_escape(printable(text)))


def from_markdown(text: str) -> str:
    """Render Markdown from an untrusted source.

    Raw HTML is shown as text. Links have http, https or mailto URLs, which follow their text, and
    images are links. Formulas that only draw are left in their delimiters, for the front end to
    typeset, and others are code. Each block of text has the direction of its first letter. Text
    longer than `MAX_LENGTH`, or with more environments than `MAX_FORMULAS`, is shown without
    formatting.
    """
    # The parser looks for the end of each environment in all of the text.
    if len(text) > MAX_LENGTH or text.count("\\begin{") > MAX_FORMULAS:
        return _without_blank_lines(f'<pre dir="auto">{html.escape(printable(text))}</pre>\n')
    rendered: str = _parser().render(printable(text))
    return _without_blank_lines(rendered)


def _without_blank_lines(markup: str) -> str:
    # nbconvert writes outputs into Markdown, where a blank line ends HTML.
    return _BLANK_LINE.sub("&#10;", markup)


def _escape(text: str) -> str:
    # MathJax finds $, \\( and \\begin only within one text node, so these are no delimiters.
    return re.sub(r"[$\\]", r"<span>\g<0></span>", html.escape(text))


def _typeset(opening: str, formula: str, closing: str, env: dict[str, int]) -> str:
    """Return a formula in an element of its own, in which its delimiters are the only ones."""
    text = html.escape(f"{opening}{formula}{closing}")
    env["formulas"] = env.get("formulas", 0) + 1
    is_typeset = env["formulas"] <= MAX_FORMULAS and tex.is_drawing(formula)
    return f"<span>{text}</span>" if is_typeset else f"<code>{text}</code>"


def _target(link: Token, is_alone: bool) -> str:
    """Return a URL that is a link to itself, in parentheses if it follows the text of the link."""
    url = str(link.attrs["href"])
    target = (
        f'<a href="{html.escape(url)}" target="_blank" rel="noopener noreferrer">{_escape(url)}</a>'
    )
    return target if is_alone else f" ({target})"


def _opening(tokens: Sequence[Token], index: int) -> int:
    """Return the index of the token that opens the link that ends at `index`."""
    return next(i for i in range(index, -1, -1) if tokens[i].type == "link_open")


def _is_url_of_link(tokens: Sequence[Token], index: int) -> bool:
    """Return whether a text is all of a link's text, and is the URL of the link."""
    around = [tokens[i].type for i in (index - 1, index, index + 1) if 0 <= i < len(tokens)]
    return (
        around == ["link_open", "text", "link_close"]
        and tokens[index].content == tokens[index - 1].attrs["href"]
    )


def _set_directions(state: StateCore) -> None:
    """Let each block at the top level have the direction of its text."""
    for token in state.tokens:
        if token.level == 0 and token.nesting == 1:
            token.attrs["dir"] = "auto"


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    class Parser(MarkdownIt):
        def validateLink(self, url: str) -> bool:  # noqa: N802
            return bool(_LINK.fullmatch(url))

    def rule(render: Callable[[str], str]) -> Callable[..., str]:
        return lambda _self, tokens, index, *_: render(tokens[index].content)

    def math(delimiter: str, start: str = "", end: str = "") -> Callable[..., str]:
        def render(
            _self: RendererHTML, tokens: list[Token], index: int, _: object, env: dict[str, int]
        ) -> str:
            return start + _typeset(delimiter, tokens[index].content, delimiter, env) + end

        return render

    def text(_self: RendererHTML, tokens: list[Token], index: int, *_: object) -> str:
        return "" if _is_url_of_link(tokens, index) else _escape(tokens[index].content)

    def fence(_self: RendererHTML, tokens: list[Token], index: int, *_: object) -> str:
        language = _LANGUAGE.match(tokens[index].info.strip())
        name = f' class="language-{language[0]}"' if language else ""
        return f"<pre><code{name}>{html.escape(tokens[index].content)}</code></pre>\n"

    def link_close(_self: RendererHTML, tokens: list[Token], index: int, *_: object) -> str:
        opening = _opening(tokens, index)
        is_alone = opening == index - 1 or _is_url_of_link(tokens, index - 1)
        return _target(tokens[opening], is_alone)

    def cell_open(self: RendererHTML, tokens: list[Token], index: int, *rest: object) -> str:
        # JupyterLab aligns the cells of HTML tables to the right.
        tokens[index].attrs.setdefault("style", "text-align:left")
        return self.renderToken(tokens, index, *rest)  # type: ignore[arg-type]

    parser = Parser("js-default", {"html": False}).disable("image")
    parser.use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    parser.use(amsmath_plugin)
    parser.core.ruler.push("directions", _set_directions)
    parser.add_render_rule("text", text)
    parser.add_render_rule("fence", fence)
    parser.add_render_rule("link_open", lambda *_: "")
    parser.add_render_rule("link_close", link_close)
    parser.add_render_rule("th_open", cell_open)
    parser.add_render_rule("td_open", cell_open)
    parser.add_render_rule("math_inline", math("$"))
    parser.add_render_rule("math_inline_double", math("$$"))
    parser.add_render_rule("math_block", math("$$", "<p>", "</p>\n"))
    parser.add_render_rule("amsmath", math("", "<p>", "</p>\n"))
    return parser
