"""Read safetensors headers, also of hostile files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.store.files import source_file
from a3s_power_jupyter.store.formats.safetensors import Tensor, read_header
from support.model_files import safetensors

WEIGHTS = {"a": ("F32", (2, 3)), "b": ("BF16", (5,))}


def read(tmp_path: Path, content: bytes) -> list[Tensor]:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    return read_header(source_file(path))


def raw(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[object], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_weights_header(tmp_path: Path) -> None:
    content = safetensors(WEIGHTS)
    start = len(content) - 34
    a, b = read(tmp_path, content)
    path = tmp_path / "model.safetensors"
    assert (a, a.elements) == (Tensor("a", "F32", (2, 3), start, path), 6)
    assert (b, b.elements) == (Tensor("b", "BF16", (5,), start + 24, path), 5)
    (scalar,) = read(tmp_path, raw({"s": entry("F32", [], 0, 4)}, b"1234"))
    assert (scalar.shape, scalar.elements) == ((), 1)
    assert read(tmp_path, raw({"new": entry("F2", [4], 0, 1)}, b"1"))[0].dtype == "F2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "too short"),
        (b"\x80\x02ccommands\nsystem\n", "header cannot have"),
        (struct.pack("<Q", 2**64 - 1) + b"{}", "header cannot have"),
        (struct.pack("<Q", 100_000_001) + b"{" * 100, "header cannot have"),
        (raw(b"[]"), "does not begin"),
        (raw(b"{"), "cannot be read"),
        (raw(b'{"a": "' + b"\xff" + b'"}'), "cannot be read"),
        (raw(b'{"' + b"\xff" + b'": 1}'), "cannot be read: it is not UTF-8"),
        (raw({"\0": entry("F32", [1], 4, 8)}, b"1234"), "tensor with an unreadable name"),
        (raw(b'{"a":' + b"[" * 100_000), "cannot be read"),
        (raw({"a": 1}), "cannot be read"),
        (raw({"a": entry("F32", [-1], 0, 4)}, b"1234"), "cannot be read"),
        (raw({"a": entry("F32", [2**63], 0, 4)}, b"1234"), "cannot be read"),
        (raw({"a": entry("F32", [1] * 17, 0, 4)}, b"1234"), "cannot be read"),
        (raw({"a": entry("F32", [2**62, 2**62], 0, 4)}, b"1234"), "too many"),
        (raw({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, b"1234"), "last one"),
        (raw({"a": entry("F32", [1], 4, 8)}, b"12345678"), "last one"),
        (raw({"a": entry("F32", [2], 0, 4)}, b"1234"), "does not match its shape"),
        (raw({"a": entry("F32", [1], 0, 4)}, b"123"), "have 4 bytes"),
        (raw({"a": entry("F32", [1], 0, 4)}, b"12345"), "have 4 bytes"),
    ],
)
def test_hostile_headers(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidModelDirectory, match=reason):
        read(tmp_path, content)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=4), st.integers(0, 9))
def test_mutations_raise_only_invalid_model_directory(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(safetensors(WEIGHTS))
    for at, byte in edits:
        content[at] = byte
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    path.write_bytes(content[: len(content) - cut])
    try:
        tensors = read_header(source_file(path))
    except InvalidModelDirectory:
        return
    assert {tensor.elements for tensor in tensors} <= {5, 6}
