"""One conversion: convert, quantize, prove, keep."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ..engine.base import ProgressCallback
from ..store.conversions import Conversion, conversion_of
from ..store.files import sha256_of, source_file
from ..store.locks import ProcessLock
from ..store.model_store import ModelStore
from ..store.staging import linked_directory
from .converter import convert
from .exceptions import CannotConvert
from .proof import prove_numbers, prove_tokens
from .protocol import Convert
from .quantize import BITS, quantize

#: Seconds between two looks at how far something is that does not tell by itself.
LOOK = 0.5

#: How the time is shared out, measured with 135 million parameters: converting writes the most
#: bytes, quantizing computes the most.
_CONVERTED, _QUANTIZED = 0.4, 0.9


def run(request: Convert, progress: ProgressCallback) -> Conversion:
    """Make the conversion, or find that another process just did.

    Returns
    -------
    Conversion
        As it is on record now; `refused` says why there is none.

    Raises
    ------
    PowerError
        The disk is full, or the store cannot be written.
    """
    store = ModelStore(Path(request.home))
    conversion = conversion_of(request.manifest, request.kind)
    with _locked(store.conversions.directory / f"{conversion.key}.lock", progress):
        found = store.find_conversion(conversion)
        if found is not None:
            return found
        try:
            return _make(request, store, conversion, progress)
        except CannotConvert as error:
            refused = msgspec.structs.replace(conversion, refused=error.reason)
            store.save_conversion(refused, None)
            return refused


@contextmanager
def _locked(path: Path, progress: ProgressCallback) -> Iterator[None]:
    """Hold the lock of a conversion; report progress 0 while another process holds it."""
    lock = ProcessLock(path)
    while not lock.acquire(timeout=LOOK):
        progress(0.0)
    try:
        yield
    finally:
        lock.release()


def _make(
    request: Convert,
    store: ModelStore,
    conversion: Conversion,
    progress: ProgressCallback,
) -> Conversion:
    size = request.manifest.size_bytes
    threads = max(1, (os.cpu_count() or 2) // 2)
    names = [file.name for file in request.manifest.files]
    files = dict(zip(names, map(Path, request.paths), strict=True))
    with (
        linked_directory(files) as directory,
        store.blobs.temporary() as whole,
        store.blobs.temporary() as result,
    ):
        store.blobs.check_space(
            size + size * BITS[request.kind] // 16,
            "The conversion to GGUF",
            'load it with isq "none"',
        )
        convert(directory, whole, lambda value: progress(value * _CONVERTED))
        prove_tokens(directory, whole)
        expected = whole.stat().st_size * BITS[request.kind] / 16
        with _watched(result, expected, progress):
            quantize(whole, result, request.kind, threads)
        whole.unlink()
        prove_numbers(result, threads)
        _sync(result)
        made = source_file(result)
        conversion = msgspec.structs.replace(conversion, sha256=sha256_of(made), size=made.size)
        store.save_conversion(conversion, result)
    return conversion


@contextmanager
def _watched(path: Path, expected: float, progress: ProgressCallback) -> Iterator[None]:
    """Tell how far llama.cpp is by the size of what it has written."""
    over = threading.Event()

    def look_on() -> None:
        while not over.wait(LOOK):
            share = min(1.0, path.stat().st_size / expected)
            progress(_CONVERTED + share * (_QUANTIZED - _CONVERTED))

    thread = threading.Thread(target=look_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
