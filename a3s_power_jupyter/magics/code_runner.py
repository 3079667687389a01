"""Run code of a model in the kernel, and return its output as text."""

from __future__ import annotations

import ast
import traceback
from types import TracebackType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from ..contract.text import printable

#: Frames of a traceback that a model gets.
MAX_FRAMES = 10


class CodeFailed(Exception):
    """Code that raised, with its output and its traceback as text."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


def run_code(shell: InteractiveShell, code: str) -> str:
    """Run `code` as a cell that is not in the history.

    `shell.run_cell` is not used, because a cell that is run within another one takes its number,
    and shows its error as an error of the other.

    Raises
    ------
    CodeFailed
        If the code raises.
    KeyboardInterrupt
        If it is interrupted.
    """
    value: Any = None
    error: BaseException | None = None
    with capture_output() as captured:
        try:
            value = _run(shell, code)
        except (Exception, SystemExit) as raised:
            error = raised
    for output in captured.outputs:
        output.display()  # the user sees plots, and the model their text
    texts = [captured.stdout, captured.stderr]
    texts += [output.data.get("text/plain", "") for output in captured.outputs]
    if error is not None:
        shown = "\n".join(filter(None, (*texts, _traceback(error))))
        raise CodeFailed(printable(shown))
    if value is not None:
        data, _ = shell.display_formatter.format(value, include={"text/plain"})  # type: ignore[union-attr]
        texts.append(data.get("text/plain", ""))
    return printable("\n".join(text.rstrip("\n") for text in texts if text)) or "(no output)"


def _run(shell: InteractiveShell, code: str) -> Any:
    """Run the statements, and return the value if the last one is an expression."""
    source = shell.transform_cell(code)
    name = shell.compile.cache(source, raw_code=code)  # so that a traceback has the lines
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    namespaces = shell.user_global_ns, shell.user_ns
    exec(compile(tree, name, "exec"), *namespaces)  # noqa: S102 - the user has allowed it
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), name, "eval"), *namespaces)  # noqa: S307


def _traceback(error: BaseException) -> str:
    """Return the traceback without the frames of this module."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error)).rstrip()
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames, limit=-MAX_FRAMES)
    return "".join(lines).rstrip()
