"""Read GGUF headers: a real model, a comparison with llama.cpp, and hostile files."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.contract.errors import InvalidGGUF
from a3s_power_jupyter.store.files import source_file
from a3s_power_jupyter.store.formats.ggml import TENSOR_TYPES
from a3s_power_jupyter.store.formats.gguf import Header, Omitted, read_header
from support.model_files import LLAMA, TENSORS, gguf, smollm2, string, value


@pytest.fixture(scope="module")
def ggml() -> ctypes.CDLL:
    """The library with llama.cpp's reader of GGUF files."""
    spec = importlib.util.find_spec("llama_cpp")
    assert spec is not None
    assert spec.submodule_search_locations
    libraries = (Path(spec.submodule_search_locations[0]) / "lib").glob("libggml-base.*")
    ggml = ctypes.CDLL(str(min(libraries)))
    ggml.ggml_type_size.restype = ctypes.c_size_t
    ggml.ggml_blck_size.restype = ctypes.c_int64
    ggml.ggml_type_name.restype = ctypes.c_char_p
    return ggml


def read(tmp_path: Path, content: bytes) -> Header:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return read_header(source_file(path))


def test_the_real_model() -> None:
    header = read_header(source_file(smollm2()))
    assert header.version == 3
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["tokenizer.ggml.tokens"] == Omitted(49152)
    assert header.text("tokenizer.chat_template").startswith("{%")
    assert len(header.tensors) == 272


def test_agrees_with_llama_cpp(ggml: ctypes.CDLL) -> None:
    ggml.gguf_init_from_file.restype = ctypes.c_void_p
    ggml.gguf_get_n_kv.restype = ctypes.c_int64
    ggml.gguf_get_n_tensors.restype = ctypes.c_int64
    ggml.gguf_get_key.restype = ctypes.c_char_p
    ggml.gguf_get_tensor_name.restype = ctypes.c_char_p

    class Parameters(ctypes.Structure):
        _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))

    path = str(smollm2()).encode()
    context = ctypes.c_void_p(ggml.gguf_init_from_file(path, Parameters(True, None)))
    try:
        keys = [
            ggml.gguf_get_key(context, ctypes.c_int64(i)).decode()
            for i in range(ggml.gguf_get_n_kv(context))
        ]
        tensors = [
            (
                ggml.gguf_get_tensor_name(context, ctypes.c_int64(i)).decode(),
                ggml.gguf_get_tensor_type(context, ctypes.c_int64(i)),
            )
            for i in range(ggml.gguf_get_n_tensors(context))
        ]
    finally:
        ggml.gguf_free(context)
    header = read_header(source_file(smollm2()))
    assert list(header.metadata) == keys
    assert [(tensor.name, tensor.type) for tensor in header.tensors] == tensors


@pytest.mark.parametrize("number", TENSOR_TYPES)
def test_block_sizes_are_those_of_ggml(ggml: ctypes.CDLL, number: int) -> None:
    name, elements, size = TENSOR_TYPES[number]
    assert ggml.ggml_type_name(number).decode().upper() == name
    assert ggml.ggml_blck_size(number) == elements
    assert ggml.ggml_type_size(number) == size


def test_values(tmp_path: Path) -> None:
    metadata = {
        "flag": True, "number": 7, "share": 0.5, "text": "é", "list": [1, 2], "empty": [],
        "words": ["a", "bc"], "long": [0] * 5000,
    }  # fmt: skip
    header = read(tmp_path, gguf(metadata))
    kept = {"flag": True, "number": 7, "share": 0.5, "text": "é", "list": [1, 2]}
    assert header.metadata == kept | {
        "empty": Omitted(0), "words": Omitted(2), "long": Omitted(5000),
    }  # fmt: skip


def test_long_text_is_skipped(tmp_path: Path) -> None:
    header = read(tmp_path, gguf({"long": "x" * (3 << 20), "after": 1}))
    assert header.metadata == {"long": Omitted(3 << 20), "after": 1}


def test_strings_across_the_end_of_the_buffer(tmp_path: Path) -> None:
    words = ["x" * length for length in range(1800)]  # 1.6 MB, the buffer has 1 MiB
    assert read(tmp_path, gguf({"words": words, "after": 1})).metadata["after"] == 1


def test_an_unknown_tensor_type_is_accepted(tmp_path: Path) -> None:
    content = gguf(tensors={"future": (0, (32,))})
    at = content.index(string("future")) + len(string("future")) + 12
    header = read(tmp_path, content[:at] + struct.pack("<I", 999) + content[at + 4 :])
    assert header.tensors[0].type == 999


def header_of(tensors: int = 0, keys: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


PAD = b"\0" * 4096
HUGE = 2**64 - 1
VALID = gguf()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin"),
        (b"GGUF", "does not begin"),
        (b"PK\x03\x04" + PAD, "does not begin"),
        (header_of(version=1) + PAD, "version is 1"),
        (header_of(version=4) + PAD, "version is 4"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + PAD, "big-endian"),
        (header_of(tensors=HUGE) + PAD, "tensors do not fit"),
        (header_of(keys=HUGE) + PAD, "keys do not fit"),
        (header_of(tensors=1 << 14) + PAD, "tensors do not fit"),
        (header_of(keys=1) + struct.pack("<Q", HUGE) + PAD, "a key of"),
        (header_of(keys=1) + struct.pack("<Q", 60000) + PAD, "ends in the middle"),
        (header_of(keys=1) + string("k") + struct.pack("<I", 13) + PAD, "not a value type"),
        (header_of(keys=1) + string("k") + struct.pack("<IQ", 8, HUGE) + PAD, "should follow"),
        (
            header_of(keys=1) + string("k") + struct.pack("<IIQ", 9, 8, HUGE) + PAD,
            "is too long",
        ),
        (header_of(keys=1) + string("k") + struct.pack("<IIQ", 9, 4, HUGE) + PAD, "should follow"),
        (header_of(keys=1) + string("k") + struct.pack("<IIQ", 9, 9, 1) + PAD, "array elements"),
        (
            header_of(keys=1) + string("k") + struct.pack("<IIQQ", 9, 8, 1, HUGE) + PAD,
            "beyond the end",
        ),
        (header_of(keys=2) + (string("k") + value(1)) * 2 + PAD, "twice"),
        (header_of(keys=1) + string("general.alignment") + value(0) + PAD, "power of two"),
        (header_of(keys=1) + string("general.alignment") + value(24) + PAD, "power of two"),
        (header_of(keys=1) + string("general.alignment") + value("x") + PAD, "power of two"),
        (header_of(tensors=1) + tensor("t" * 65, (1,)) + PAD, "name of 65"),
        (header_of(tensors=1) + tensor("t", (1,) * 5) + PAD, "5 dimensions"),
        (header_of(tensors=1) + tensor("t", (HUGE, HUGE)) + PAD, "elements"),
        (header_of(tensors=1) + tensor("t", (0, HUGE)) + PAD, "elements"),
        (header_of(tensors=1) + tensor("t", (33,), kind=2) + PAD, "cannot be Q4_0"),
        (header_of(tensors=1) + tensor("t", (1,), offset=1) + PAD, "not aligned"),
        (header_of(tensors=1) + tensor("t", (5000,)) + PAD, "are missing"),
        (header_of(tensors=1) + tensor("t", (1,), offset=2**64 - 32) + PAD, "are missing"),
        (header_of(tensors=2) + tensor("t", (1,)) * 2 + PAD, "twice"),
    ],
)
def test_hostile_headers(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidGGUF, match=reason) as caught:
        read(tmp_path, content)
    assert caught.value.param == "path"


def test_every_truncation_is_detected(tmp_path: Path) -> None:
    for length in range(len(VALID)):
        with pytest.raises(InvalidGGUF):
            read(tmp_path, VALID[:length])


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "start",
    [
        header_of(tensors=1 << 17),
        header_of(keys=1 << 16),
        header_of(keys=1) + string("k") + struct.pack("<IIQ", 9, 8, (1 << 22) + 1),
        header_of(tensors=2, keys=1) + string("k") + struct.pack("<IIQ", 9, 8, 1 << 22),
    ],
)
def test_a_sparse_terabyte_is_refused_quickly(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "sparse.gguf"
    path.write_bytes(start)
    os.truncate(path, 1 << 40)
    with pytest.raises(InvalidGGUF):
        read_header(source_file(path))


@pytest.mark.timeout(60)
def test_strings_that_each_need_a_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    number, step = 1 << 20, 2 << 20
    path.write_bytes(header_of(keys=1) + string("k") + struct.pack("<IIQ", 9, 8, number))
    with path.open("r+b") as file:
        at = path.stat().st_size
        for index in range(600):  # more than the reader reads
            file.seek(at + index * (step + 8))
            file.write(struct.pack("<Q", step))
        file.truncate(number * (step + 8))
    with pytest.raises(InvalidGGUF, match="512 MiB"):
        read_header(source_file(path))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(VALID)),
    st.binary(max_size=16),
)
def test_mutations_raise_only_invalid_gguf(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[int, int]],
    cut: int,
    insertion: bytes,
) -> None:
    content = bytearray(VALID)
    for at, byte in edits:
        content[at] = byte
    content[cut:cut] = insertion
    path = tmp_path_factory.getbasetemp() / "mutated.gguf"
    path.write_bytes(content)
    try:
        header = read_header(source_file(path))
    except InvalidGGUF:
        return
    assert len(header.tensors) <= len(content)
    assert all(tensor.elements >= 0 for tensor in header.tensors)


def test_errors_about_overwritten_bytes_are_readable(tmp_path: Path) -> None:
    content = gguf()
    path = tmp_path / "model.gguf"
    messages = set()
    for fill, start in itertools.product((b"\0", b"\xff", b"\x1b"), range(len(content))):
        path.write_bytes(content[:start] + fill * (len(content) - start))
        try:
            read_header(source_file(path))
        except InvalidGGUF as error:
            messages.add(error.message)
    assert any("with an unreadable name" in message for message in messages)
    for message in messages:
        assert message.isprintable()
        assert "\ufffd" not in message
        assert "\\x" not in message


def test_the_unmutated_file_is_valid(tmp_path: Path) -> None:
    header = read(tmp_path, VALID)
    assert header.metadata == LLAMA | {"tokenizer.ggml.tokens": Omitted(3)}
    assert [tensor.name for tensor in header.tensors] == list(TENSORS)
