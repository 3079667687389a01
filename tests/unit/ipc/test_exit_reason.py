"""Test the reason that is given for the end of a process. The logs are from real processes."""

from __future__ import annotations

import signal

import pytest

from a3s_power_jupyter.ipc.exit_reason import describe_returncode, exit_reason

# With GGML_NO_BACKTRACE unset, and gdb installed.
GGML_WITH_GDB = """\
/project/vendor/llama.cpp/ggml/src/ggml.c:3245: GGML_ASSERT(ggml_can_mul_mat(a, b)) failed
[New LWP 4711]
warning: process 4710 is already traced by process 4709
[Thread debugging using libthread_db enabled]
Using host libthread_db library "/lib/x86_64-linux-gnu/libthread_db.so.1".
0x00007f1f2a8eb42f in __GI___wait4 (pid=4712) at ../sysdeps/unix/sysv/linux/wait4.c:30
30\t../sysdeps/unix/sysv/linux/wait4.c: No such file or directory.
#0  0x00007f1f2a8eb42f in __GI___wait4 (pid=4712) at ../sysdeps/unix/sysv/linux/wait4.c:30
30\tin ../sysdeps/unix/sysv/linux/wait4.c
#1  0x00007f1eff3f2f0c in ggml_print_backtrace () from /usr/lib/libggml-base.so
#8  0x00007f1f2a81624a in __libc_start_call_main (main=main@entry=0x4a) at ../csu/libc-start.c:58
58\t../csu/libc-start.c: No such file or directory.
[Inferior 1 (process 4710) detached]"""

GGML_ASSERT = "SIGABRT: ggml.c:3245: GGML_ASSERT(ggml_can_mul_mat(a, b)) failed"

CUDA = """\
ggml_cuda_compute_forward: MUL_MAT failed
CUDA error: out of memory
  current device: 0, in function alloc at /tmp/llama.cpp/ggml/src/ggml-cuda/ggml-cuda.cu:489
  cuMemCreate(&handle, reserve_size, &prop, 0)
/tmp/llama.cpp/ggml/src/ggml-cuda/ggml-cuda.cu:88: CUDA error"""

DEVICE_ASSERT = """\
../aten/src/ATen/native/cuda/Indexing.cu:1369: indexSelectSmallIndex: block: [3,0,0], thread: \
[31,0,0] Assertion `srcIndex < srcSelectDimSize` failed.
ERROR Unexpected error: AcceleratorError: CUDA error: device-side assert triggered
  CUDA kernel errors might be asynchronously reported at some other API call.
  Traceback (most recent call last):
    File "/home/ada/venv/lib/python3.11/site-packages/a3s_power_jupyter/ipc/harness.py", line 9
  torch.AcceleratorError: CUDA error: device-side assert triggered
  CUDA kernel errors might be asynchronously reported at some other API call."""

UNEXPECTED = """\
WARNING the model has a strange tokenizer
ERROR Unexpected error: FileNotFoundError: [Errno 2] No such file or directory: '/home/ada l/m.gguf'
  Traceback (most recent call last):
    File "/opt/power/a3s_power_jupyter/ipc/harness.py", line 94, in run
      main(Channel(commands, messages, decoder))
  FileNotFoundError: [Errno 2] No such file or directory: '/home/ada l/m.gguf'"""

IMPORT = """\
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "/opt/power/a3s_power_jupyter/engine/main.py", line 11, in <module>
    import msgspec
ModuleNotFoundError: No module named 'msgspec'"""

CPP = """\
terminate called after throwing an instance of 'std::length_error'
  what():  vector::_M_default_append"""

RUST = """\
thread '<unnamed>' panicked at /build/src/tokenizers-0.22.1/src/models/bpe.rs:12:5:
index out of bounds: the len is 3 but the index is 7
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"""

NOISE = """\
llama_context: n_ctx_seq (512) < n_ctx_train (8192) -- the full capacity will not be utilized
/usr/lib/python3.11/site-packages/torch/cuda.py:12: UserWarning: CUDA initialization failed
  warnings.warn("...")
WARNING https://huggingface.co/docs: deprecated"""


@pytest.mark.parametrize(
    ("returncode", "log", "reason"),
    [
        (-6, GGML_WITH_GDB, GGML_ASSERT),
        (-6, GGML_WITH_GDB.splitlines()[0], GGML_ASSERT),
        (-6, "D:\\My Build\\ggml.c:1: fatal error", "SIGABRT: ggml.c:1: fatal error"),
        (-6, CUDA, "SIGABRT: CUDA error: out of memory"),
        (
            1,
            DEVICE_ASSERT,
            "exit status 1: AcceleratorError: CUDA error: device-side assert triggered",
        ),
        (
            1,
            UNEXPECTED,
            "exit status 1: FileNotFoundError: [Errno 2] No such file or directory: 'm.gguf'",
        ),
        (1, IMPORT, "exit status 1: ModuleNotFoundError: No module named 'msgspec'"),
        (-6, CPP, "SIGABRT: std::length_error: vector::_M_default_append"),
        (
            -6,
            "libc++abi: terminating due to uncaught exception of type std::length_error: x",
            "SIGABRT: uncaught exception of type std::length_error: x",
        ),
        (
            -6,
            RUST,
            "SIGABRT: bpe.rs:12:5: index out of bounds: the len is 3 but the index is 7",
        ),
        (-6, "malloc(): corrupted top size", "SIGABRT: malloc(): corrupted top size"),
        (-6, "free(): invalid pointer", "SIGABRT: free(): invalid pointer"),
        (-6, "double free or corruption (!prev)", "SIGABRT: double free or corruption (!prev)"),
        (
            -6,
            "*** stack smashing detected ***: terminated",
            "SIGABRT: *** stack smashing detected ***: terminated",
        ),
        (
            -6,
            "python3: /build/x/src/unary.h:42: void f(): Assertion `n > 0' failed.",
            "SIGABRT: Assertion `n > 0' failed.",
        ),
        (
            127,
            "/opt/venv/bin/python: error while loading shared libraries: libcudart.so.12: cannot "
            "open shared object file: No such file or directory",
            "exit status 127: error while loading shared libraries: libcudart.so.12: cannot open "
            "shared object file: No such file or directory",
        ),
        (
            1,
            "libgomp: Thread creation failed: Resource temporarily unavailable",
            "exit status 1: Thread creation failed: Resource temporarily unavailable",
        ),
        (
            -6,
            "Fatal Python error: init_import_site: Failed to import the site module",
            "SIGABRT: Fatal Python error: init_import_site: Failed to import the site module",
        ),
        (1, "ERROR Invalid data on stdin\n" + NOISE, "exit status 1: Invalid data on stdin"),
        (1, "/usr/bin/python3: No module named x", "exit status 1: python3: No module named x"),
        (1, NOISE, "exit status 1"),
        (
            -6,
            "memory allocation of 99 bytes failed",
            "SIGABRT: memory allocation of 99 bytes failed",
        ),
        (-11, NOISE, "SIGSEGV"),
        (-11, "", "SIGSEGV"),
        (-9, NOISE, "SIGKILL (killed from outside, perhaps because memory ran out)"),
        (-9, UNEXPECTED, "SIGKILL (killed from outside, perhaps because memory ran out)"),
        (-4, NOISE, "SIGILL (an instruction that this CPU does not have)"),
        (-7, "", "SIGBUS (a file that it had mapped cannot be read, or has become shorter)"),
        (0, "ERROR load failed", "exit status 0"),
        (None, "", "no exit status"),
        (0xC0000005, "", "exit status 0xc0000005"),
    ],
)
def test_the_last_fatal_line_is_the_reason(returncode: int | None, log: str, reason: str) -> None:
    told = exit_reason(returncode, log.splitlines())
    assert told == reason
    assert "/home" not in told
    assert "/opt" not in told


def test_the_last_of_several_fatal_lines_is_told() -> None:
    log = ["ggml.c:1: first", "something else", "ggml.c:2: second", "[Thread 1 exited]"]
    assert exit_reason(-6, log) == "SIGABRT: ggml.c:2: second"


def test_the_reason_is_short_and_printable() -> None:
    told = exit_reason(1, ["ERROR Unexpected error: ValueError: \x1b[2Jbad\r " + "x" * 5000])
    assert len(told) == 200
    assert told.isprintable()


@pytest.mark.parametrize("name", [s.name for s in signal.Signals if s.value not in (4, 7, 9)])
def test_signals_are_named(name: str) -> None:
    assert describe_returncode(-signal.Signals[name].value).startswith("SIG")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ValueError: see https://huggingface.co/docs/x/y for help", None),
        ("ValueError: cannot read /mnt/models/a b.gguf", "ValueError: cannot read a b.gguf"),
        ("ValueError: ratio 3/4/5 of a/b/c", None),
        ("ValueError: `C:\\Users\\Ada L\\m.gguf` is bad", "ValueError: `m.gguf` is bad"),
    ],
)
def test_folders_of_the_machine_are_left_out(line: str, reason: str | None) -> None:
    assert exit_reason(1, [line]) == f"exit status 1: {reason or line}"
