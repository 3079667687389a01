"""Make text from models, hubs and upstream servers safe to print."""

from __future__ import annotations

import re

#: Characters after which a control sequence that has not ended is no longer waited for.
MAX_CUT_OFF = 64

# Control sequences of ECMA-48 and xterm, or else single control characters except tab and newline.
# A sequence that does not end is not matched as a whole, so it cannot hide the text after it.
_CONTROLS = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x00-\x08\x0a-\x1f\x80-\x9f]{0,4096}"
    r"(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,8}[0-OQ-WYZ`-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)

#: Characters that start a control sequence.
_INTRODUCERS = "\x1b\x90\x98\x9b\x9d\x9e\x9f"


def printable(text: str) -> str:
    """Remove control sequences, and all control characters except tabs and newlines."""
    return _CONTROLS.sub("", text)


def complete_length(text: str) -> int:
    """Return the length of `text` without a control sequence that is cut off at its end."""
    start = max(map(text.rfind, _INTRODUCERS))
    if start < 0 or len(text) - start > MAX_CUT_OFF:
        return len(text)
    sequence = _CONTROLS.match(text, start)
    cut_off = sequence is not None and sequence.end() == start + 1
    return start if cut_off else len(text)
