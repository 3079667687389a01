"""How many requests and tokens the engines process at once, which decides their memory."""

from __future__ import annotations

from msgspec import UNSET

from ..contract.parameters import LoadParameters

#: Requests that llama.cpp processes at once if `num_parallel` is not set. They share the KV cache.
LLAMACPP_REQUESTS = 8
#: The same for models with recurrent layers or sliding windows, which need memory for each request.
LLAMACPP_STATEFUL_REQUESTS = 4

#: Tokens per step of llama.cpp if `num_batch` is not set. On a CPU, 256 was as fast as 512, and 128
#: about 5 % slower.
LLAMACPP_CPU_BATCH = 256
LLAMACPP_GPU_BATCH = 512

#: Most tokens that llama.cpp computes at once (`n_ubatch`), whatever the batch.
LLAMACPP_MICRO_BATCH = 512

#: Tokens of a prompt at once, if the logits after each of them are needed.
SCORED_TOKENS = 32

#: Cells of the KV cache are allocated in multiples of this (``GGML_PAD`` in llama.cpp).
LLAMACPP_PADDING = 256

#: Texts to embed that llama.cpp processes at once, and requests to a model that only embeds.
EMBEDDING_REQUESTS = 16
#: Tokens of the longest text for which the smallest context for embeddings has room. It doubles
#: until the longest text fits.
EMBEDDING_MIN_CONTEXT = 512

#: Requests that transformers processes at once if `num_parallel` is not set.
TRANSFORMERS_REQUESTS = 4


def llamacpp_requests(parameters: LoadParameters, *, stateful: bool) -> int:
    """Return the number of requests at once; `stateful` models need memory for each of them."""
    if parameters.num_parallel is not UNSET:
        return parameters.num_parallel
    return LLAMACPP_STATEFUL_REQUESTS if stateful else LLAMACPP_REQUESTS


def llamacpp_batch(parameters: LoadParameters, *, requests: int, gpu: bool) -> int:
    """Return the number of tokens per step."""
    default = LLAMACPP_GPU_BATCH if gpu else LLAMACPP_CPU_BATCH
    return max(default if parameters.num_batch is UNSET else parameters.num_batch, requests)


def llamacpp_outputs(requests: int) -> int:
    """Return the most tokens of a step with logits, for which llama.cpp reserves memory."""
    return max(requests, SCORED_TOKENS)


def embedding_context(longest: int) -> int:
    """Return the tokens of the texts for which llama.cpp gets a context, at least `longest`."""
    size = EMBEDDING_MIN_CONTEXT
    while size < longest:
        size *= 2
    return size


def embedding_room(longest: int) -> int:
    """Return the cells of a KV cache for a text of `longest` tokens and shorter ones beside it."""
    return longest + longest // 2


def embedding_batch(parameters: LoadParameters, *, gpu: bool) -> int:
    """Return the tokens that are computed at once of texts that are read in parts."""
    batch = llamacpp_batch(parameters, requests=EMBEDDING_REQUESTS, gpu=gpu)
    return min(batch, LLAMACPP_MICRO_BATCH)
