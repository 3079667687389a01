"""Run one conversion: convert, quantize, verify and store."""

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
from .protocol import Convert
from .quantize import BITS, quantize
from .verification import verify_logits, verify_tokens

#: Seconds between two progress reports while waiting for a lock or for llama.cpp.
POLL_INTERVAL = 0.5

#: Progress at the end of the conversion and of the quantization, measured with a model of
#: 135 million parameters. Converting writes the most bytes, quantizing computes the most.
_CONVERTED, _QUANTIZED = 0.4, 0.9


def run(request: Convert, progress: ProgressCallback) -> Conversion:
    """Convert a model, or return an existing conversion.

    Another process may have made it in the meantime.

    Returns
    -------
    Conversion
        The stored record. `refused` is the reason if the model cannot be converted.

    Raises
    ------
    PowerError
        If the weights are damaged, the disk is full or the store cannot be written.
    """
    store = ModelStore(Path(request.home))
    conversion = conversion_of(request.manifest, request.kind)
    with _locked(store.conversions.directory / f"{conversion.key}.lock", progress):
        existing = store.find_conversion(conversion)
        if existing is not None:
            return existing
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
    while not lock.acquire(timeout=POLL_INTERVAL):
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
        store.blobs.temporary() as converted,
        store.blobs.temporary() as quantized,
    ):
        store.blobs.check_space(
            size + size * BITS[request.kind] // 16,
            "The conversion to GGUF",
            'load it with isq "none"',
        )
        convert(directory, converted, lambda value: progress(value * _CONVERTED))
        verify_tokens(directory, converted)
        expected_size = converted.stat().st_size * BITS[request.kind] / 16
        with _report_size(quantized, expected_size, progress):
            quantize(converted, quantized, request.kind, threads)
        converted.unlink()
        verify_logits(quantized, threads)
        _sync(quantized)
        file = source_file(quantized)
        conversion = msgspec.structs.replace(conversion, sha256=sha256_of(file), size=file.size)
        store.save_conversion(conversion, quantized)
    return conversion


@contextmanager
def _report_size(path: Path, expected_size: float, progress: ProgressCallback) -> Iterator[None]:
    """Report the progress of the quantization by the size of its output file.

    llama.cpp has no progress callback for quantization.
    """
    finished = threading.Event()

    def report() -> None:
        while not finished.wait(POLL_INTERVAL):
            share = min(1.0, path.stat().st_size / expected_size)
            progress(_CONVERTED + share * (_QUANTIZED - _CONVERTED))

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
