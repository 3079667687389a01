"""Find the tokens that a sampler chain can choose from.

For each token, ``llama_sampler_sample`` copies the whole vocabulary: 3 MB for one of 262,144
tokens. A chain that begins with top_k needs the most likely ones only, which NumPy finds in a
quarter of the time.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import llama_cpp as lc
import numpy as np
import numpy.typing as npt

from ...contract.types import Sampling
from ..likely import most, most_likely
from ..sampling import SamplerSettings
from .chain import biases_of
from .vocabulary import Vocabulary

#: Most tokens with a bias. llama.cpp compares each of them with each candidate.
MAX_BIASES = 256

#: ``llama_token_data``.
_TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


@dataclass(frozen=True)
class Candidates:
    """The tokens that the samplers of a request can choose from.

    Attributes
    ----------
    count : int
        Number of the most likely tokens among which the samplers find all that they need.
    likelier : array of int
        Tokens that become more likely, wherever they are.
    """

    count: int
    likelier: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, sampling: Sampling, settings: SamplerSettings, vocab: Vocabulary, banned: int
    ) -> Candidates | None:
        """Return the candidates of a request; None if its samplers need the whole vocabulary.

        Parameters
        ----------
        banned : int
            Number of further tokens that are not sampled.
        """
        biases = biases_of(sampling, vocab)
        if settings.num_best is None or len(biases) > MAX_BIASES:
            return None
        # So many of the most likely tokens may become less likely.
        lowered = len(biases) + banned + settings.history
        count = settings.num_best + lowered
        if count > most(vocab.size):
            return None
        likelier = [token for token, bias in biases.items() if bias > 0]
        return cls(count, np.array(likelier, np.int64))

    def find(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the candidates in ascending order.

        Parameters
        ----------
        logits : array of float
            Shape (vocabulary,).
        """
        found = most_likely(logits, self.count)
        return np.union1d(found, self.likelier) if len(self.likelier) else found


def sample(chain: Any, logits: npt.NDArray[np.float32], tokens: npt.NDArray[np.int64]) -> int:
    """Sample one of `tokens`, as ``llama_sampler_sample`` does with the whole vocabulary."""
    data = np.empty(len(tokens), _TOKEN_DATA)
    data["id"], data["logit"] = tokens, logits[tokens]
    array = lc.llama_token_data_array(
        data=ctypes.cast(data.ctypes.data, lc.llama_token_data_p),
        size=len(data),
        selected=-1,
        sorted=False,
    )
    lc.llama_sampler_apply(chain, ctypes.byref(array))
    token = int(array.data[array.selected].id)  # XTC moves the start of the array
    lc.llama_sampler_accept(chain, token)
    return token
