"""Say why a process ended, from its exit status and the last lines of its log."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from ..contract.text import printable, shortened

#: Lines of the log to keep. gdb, which ggml starts in some builds, prints some fifty.
LOG_LINES = 200

#: Characters of a line to keep.
LINE_LENGTH = 2000

# How runtimes, libraries and the harness report what ends a process. A group "reason" is what to
# show of the line.
_FATAL = [
    re.compile(pattern)
    for pattern in (
        # assert(3)
        r"(?P<reason>Assertion [`'\"].+ failed\.?)",
        # ggml.c: "/path/ggml.c:12: GGML_ASSERT(x) failed", "ggml.c:12: fatal error"
        r"^(?:.*[/\\])?(?P<reason>[\w.+-]+\.(?:c|cc|cpp|cu|cuh|h|hpp|m|mm|metal):\d+: "
        r"(?!(?:CUDA|ROCm|MUSA|SYCL) error$|warning).+)",
        r"^(?:E )?(?P<reason>(?:CUDA|ROCm|MUSA|SYCL|cuBLAS|hipBLAS|Metal) error: .+)",
        # the harness
        r"^(?:ERROR|CRITICAL) Unexpected error: (?P<reason>.+)",
        # uncaught exceptions of C++
        r"^terminate called after throwing an instance of '(?P<reason>.+)'$",
        r"^terminate called (?P<reason>without an active exception)$",
        r"^libc\+\+abi: terminating (?:due to|with) (?P<reason>.+)",
        # panics of Rust; the message is on the next line since Rust 1.73
        r"^thread '.*' panicked at (?P<reason>.+)",
        r"^(?P<reason>memory allocation of \d+ bytes failed)",
        # Python
        r"^(?P<reason>Fatal Python error: .+)",
        r"^(?P<reason>(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)(?:: .+)?)$",
        # glibc
        r"^(?P<reason>\*\*\* .+ \*\*\*.*)$",
        r"^(?P<reason>(?:malloc|free|realloc|munmap_chunk|corrupted|double free)\b.*"
        r"(?:\(\)|\(!prev\)|corrupt|invalid|pointer|size|top).*)$",
        # the dynamic linker
        r"(?P<reason>error while loading shared libraries: .+)",
        r"(?P<reason>symbol lookup error: .+)",
        # OpenMP
        r"^(?P<reason>OMP: Error .+)",
        r"^libgomp: (?P<reason>.+)",
    )
]

#: Lines after a fatal one that complete it.
_WHAT = re.compile(r"^\s*what\(\):\s*(?P<reason>.+)")

#: A log line of the harness at level ERROR, which is shown if there is no fatal line.
_ERROR = re.compile(r"^(?:ERROR|CRITICAL) (?P<reason>.+)")

#: Folders of a path, in quotes or without spaces; but not those of a URL.
_FOLDERS = re.compile(
    r"(?<=['\"`])(?:[A-Za-z]:)?[/\\](?:[^'\"`/\\]+[/\\])+"
    r"|(?<![\w:/\\.~])(?:[A-Za-z]:)?[/\\](?:[^\s'\"`/\\:(),]+[/\\])+"
)

#: The number of a signal that Windows does not have.
SIGKILL = 9

#: What a signal means to a user.
_SIGNALS = {
    "SIGKILL": "killed from outside, perhaps because memory ran out",
    "SIGILL": "an instruction that this CPU does not have",
    "SIGBUS": "a file that it had mapped cannot be read, or has become shorter",
}


def exit_reason(returncode: int | None, log: Sequence[str]) -> str:
    """Return why a process ended, as a phrase of at most 200 characters.

    Parameters
    ----------
    returncode : int or None
        As `subprocess.Popen.returncode`.
    log : sequence of str
        The last lines that the process wrote to stderr.
    """
    # A process that was killed from outside, or returned, has not written why.
    reason = "" if returncode in (0, -SIGKILL) else _fatal_line(log)
    if not reason and returncode is not None and returncode > 0:
        reason = _last_line(log)
    text = describe_returncode(returncode) + (f": {reason}" if reason else "")
    return shortened(text)


def describe_returncode(returncode: int | None) -> str:
    """Describe how a process ended, for example ``exit status 1`` or ``SIGSEGV``."""
    if returncode is None:
        return "no exit status"
    if returncode >= 0:
        # Exceptions of Windows are large numbers, known in hexadecimal: 0xC0000005.
        return f"exit status {returncode if returncode < 2**16 else hex(returncode)}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"{name} ({_SIGNALS[name]})" if name in _SIGNALS else name


def _fatal_line(log: Sequence[str]) -> str:
    """Return the last line that reports a fatal error, without folders, or ""."""
    for patterns in (_FATAL, [_ERROR]):
        for index in reversed(range(len(log))):
            match = next(filter(None, (pattern.search(log[index]) for pattern in patterns)), None)
            if match is not None:
                return _without_folders(_completed(match["reason"], log[index + 1 :]))
    return ""


def _last_line(log: Sequence[str]) -> str:
    """Return the last line, unless it is a warning, or continues another line."""
    if not log or log[-1].startswith(" ") or "warning" in log[-1].lower():
        return ""
    return _without_folders(log[-1])


def _completed(reason: str, following: Sequence[str]) -> str:
    """Add the message of an exception of C++, or of a panic of Rust."""
    if not following:
        return reason
    what = _WHAT.match(following[0])
    if what is not None:
        return f"{reason}: {what['reason']}"
    if reason.endswith(":"):
        return f"{reason} {following[0].strip()}"
    return reason


def _without_folders(text: str) -> str:
    return " ".join(_FOLDERS.sub("", printable(text)).split())
