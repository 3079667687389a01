"""llama.cpp's log: everything of weight to stderr, the last errors into error messages."""

from __future__ import annotations

import sys
from collections import deque

import llama_cpp as lc

# enum ggml_log_level of ggml.h
_WARN, _ERROR = 3, 4

_errors: deque[str] = deque(maxlen=3)


def install() -> None:
    """Send llama.cpp's warnings and errors to stderr; the rest is noise."""
    lc.llama_log_set(on_log, None)


def last_errors() -> str:
    """ ": first; second", the latest errors that llama.cpp logged, or "" if there were none."""
    return f": {'; '.join(_errors)}" if _errors else ""


@lc.llama_log_callback  # type: ignore[untyped-decorator]
def on_log(level: int, text: bytes, _data: object) -> None:
    if level not in (_WARN, _ERROR):
        return
    line = text.decode("utf-8", errors="replace").rstrip()
    if level == _ERROR and line:
        _errors.append(line)
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
