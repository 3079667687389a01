"""Test that no sequence loses tokens of its sliding window when a computation is ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp as lc
import numpy as np
import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.engine.cancellation import CANCELLED
from a3s_power_jupyter.engine.llamacpp.decoder import Aborted, Decoder
from a3s_power_jupyter.engine.llamacpp.model import LlamaModel
from a3s_power_jupyter.engine.protocol import Load
from support.nodes import Nodes

#: Tokens of the sequence that is kept, and of the one that is cancelled.
SHORT, LONG = 80, 900


class Sequences:
    """Two sequences in a cache that holds little more than their windows.

    Later tokens take the place of those that have left the window.
    """

    def __init__(self, path: Path) -> None:
        load = Load("gguf", (str(path),), LoadParameters(num_gpu=0))
        self._model = LlamaModel(load, lambda _value: None)
        sizes = {"n_ctx": 2048, "n_batch": 1024, "n_ubatch": 64, "n_seq_max": 2}
        self.context = self._model.new_context(kv_unified=True, swa_full=False, **sizes)
        self._decoder = Decoder(self.context, gpu=False)
        self._batch = lc.llama_batch_init(1024, 0, 1)

    def begin(self) -> None:
        """Empty the cache, and add the first tokens of sequence 0."""
        lc.llama_memory_clear(lc.llama_get_memory(self.context), True)
        self._decode([(0, at) for at in range(SHORT)], {0: SHORT})

    def go_on(self) -> Any:
        """Add one token of sequence 0 and many of sequence 1, and return the logits of the first.

        Raises
        ------
        Aborted
            If sequence 1 is cancelled, and sequence 0 can go back.
        """
        self._decode([(0, SHORT), *((1, at) for at in range(LONG))], {0: 1, 1: LONG})
        pointer = lc.llama_get_logits_ith(self.context, 0)
        return np.ctypeslib.as_array(pointer, (self._model.vocab.size,)).copy()

    def go_back(self) -> None:
        memory = lc.llama_get_memory(self.context)
        assert lc.llama_memory_seq_rm(memory, 0, SHORT, -1)
        assert lc.llama_memory_seq_rm(memory, 1, 0, -1)

    def _decode(self, rows: list[tuple[int, int]], tokens: dict[int, int]) -> None:
        batch = self._batch
        for row, (seq_id, at) in enumerate(rows):
            batch.token[row], batch.pos[row] = 10 + at * at % 200, at
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, seq_id
            batch.logits[row] = row == 0
        batch.n_tokens = len(rows)
        assert self._decoder.decode(batch, tokens) == 0


@pytest.fixture(scope="module")
def sequences(cache_kinds: dict[str, Path]) -> Sequences:
    return Sequences(cache_kinds["window"])


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2, 0.5, 0.95])
def test_only_the_first_part_of_a_batch_is_ended(
    sequences: Sequences, share: float, nodes: Nodes
) -> None:
    """A batch of 901 tokens has 15 parts. What the second one overwrites would be lost."""
    sequences.begin()
    before = nodes.count
    expected = sequences.go_on()
    total = nodes.count - before

    sequences.begin()
    nodes.cancel(1, after=1 + int(share * total))
    if share > 1 / 15:
        actual = sequences.go_on()
    else:
        with pytest.raises(Aborted) as aborted:
            sequences.go_on()
        assert aborted.value.can_go_back
        sequences.go_back()
        CANCELLED.clear()
        actual = sequences.go_on()
    np.testing.assert_allclose(actual, expected, atol=1e-3)
