"""Embeddings of upstreams, also malformed ones."""

from __future__ import annotations

import asyncio
import base64
import struct
from array import array
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import UpstreamError
from a3s_power_jupyter.contract.types import Embedded
from a3s_power_jupyter.remote.vectors import read_embeddings


def read(data: Any, inputs: int, usage: Any = None) -> Embedded:
    reply = {"data": msgspec.Raw(msgspec.json.encode(data)), "usage": usage}
    return asyncio.run(read_embeddings(reply, inputs))


def test_vectors_are_normalized_and_in_the_order_of_the_texts() -> None:
    encoded = base64.b64encode(struct.pack("<2f", 0.0, 5.0)).decode()
    data = [{"index": 1, "embedding": encoded}, {"index": 0, "embedding": [3, 4]}]
    found = read(data, 2, {"prompt_tokens": 7})
    assert found.dimensions == 2
    assert found.prompt_tokens == 7
    assert array("f", found.vectors).tolist() == pytest.approx([0.6, 0.8, 0.0, 1.0])


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 10**400}, {"prompt_tokens": "7"}])
def test_unknown_counts_are_zero(usage: Any) -> None:
    assert read([{"embedding": [1.0]}], 1, usage).prompt_tokens == 0


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        [{}],
        [{"embedding": None}],
        [{"embedding": []}],
        [{"embedding": ["a"]}],
        [{"embedding": [[1.0]]}],
        [{"embedding": [0.0, 0.0]}],
        [{"embedding": [1e300]}],
        [{"embedding": "not base64"}],
        [{"embedding": "AAA="}],
        [{"embedding": base64.b64encode(struct.pack("<f", float("nan"))).decode()}],
        [{"embedding": [1.0], "index": "0"}],
        [{"embedding": [1.0]}, {"embedding": [1.0]}],
    ],
)
def test_malformed_vectors_are_errors(data: Any) -> None:
    with pytest.raises(UpstreamError):
        read(data, 1)


def test_vectors_of_different_lengths_are_an_error() -> None:
    with pytest.raises(UpstreamError):
        read([{"embedding": [1.0]}, {"embedding": [1.0, 1.0]}], 2)
    with pytest.raises(UpstreamError):
        asyncio.run(read_embeddings({}, 1))


@pytest.mark.parametrize("indices", [(0, 0), (1, 2), (0, 2**62), (-1, 0)])
def test_other_indices_than_those_of_the_texts_are_an_error(indices: tuple[int, int]) -> None:
    with pytest.raises(UpstreamError):
        read([{"embedding": [1.0], "index": index} for index in indices], 2)
