"""Read from GGUF headers what the memory of a model depends on, layer by layer.

The rules are those of llama.cpp (``llama-hparams.cpp``, ``llama_model::create_memory``,
``load_arch_hparams``) as in llama-cpp-python 0.3.36. If the rule of an architecture is unknown, all
its layers are counted as layers with a full KV cache, which is never too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import UNSET

from ...contract.types import Geometry
from .description import positive_int
from .ggml import TENSOR_TYPES
from .gguf import Header, Omitted, Tensor

#: Architectures that keep no cache: encoders, and models that generate by diffusion.
_WITHOUT_CACHE = {
    "bert", "modern-bert", "neo-bert", "eurobert", "nomic-bert", "nomic-bert-moe",
    "jina-bert-v2", "jina-bert-v3", "gemma-embedding", "dream", "llada", "llada-moe", "rnd1",
}  # fmt: skip

#: Architectures without attention (``llm_arch_is_recurrent``).
_RECURRENT = {"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"}

#: Architectures whose layers without heads for keys are recurrent (``llm_arch_is_hybrid``).
_HYBRID = {
    "jamba", "plamo2", "granitehybrid", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe",
    "kimi-linear", "kimi-k3", "bailingmoe3", "glm5-next",
}  # fmt: skip

#: Architectures in which every n-th layer has attention and the others are recurrent.
_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4, "minimax-01": 8}


class _Windows(NamedTuple):
    """Which layers have a sliding window, if the header has no list of them.

    Attributes
    ----------
    period : int
        One layer of each `period` attends to the whole context.
    first : bool
        Whether it is the first of them, not the last.
    size : int
        Tokens of the window if the header has none.
    """

    period: int
    first: bool = False
    size: int = 0


_WINDOWS = {
    "afmoe": _Windows(4), "cohere2": _Windows(4), "cohere2moe": _Windows(4, first=True),
    "exaone-moe": _Windows(4, size=128), "exaone4": _Windows(4, size=4096),
    "gemma2": _Windows(2, size=4096), "gemma3": _Windows(6), "gemma3n": _Windows(5),
    "gpt-oss": _Windows(2), "laguna": _Windows(4, first=True), "llama4": _Windows(4, size=8192),
    "mellum": _Windows(4), "muse-glimmer": _Windows(4), "olmo2": _Windows(4), "plamo3": _Windows(8),
    "smallthinker": _Windows(4, first=True),
}  # fmt: skip

#: Layers of Gemma 3n with a cache of their own; the others use theirs.
_GEMMA3N_LAYERS = 20
#: Layers of the only EXAONE 4 with sliding windows.
_EXAONE4_LAYERS = 64

_LAYER_OF = re.compile(r"blk\.(\d+)\.")


class Layer(NamedTuple):
    """The memory of one layer: bytes of weights, and values as in `Geometry`."""

    weights: int
    cache: int
    window_cache: int
    state: int


def tensor_bytes(tensor: Tensor) -> int:
    """Return the size of a tensor in bytes; 0 if its type is newer than this list."""
    kind = TENSOR_TYPES.get(tensor.type)
    return 0 if kind is None else -(-tensor.elements // kind.elements) * kind.size


def read_layers(headers: Sequence[Header]) -> list[Layer]:
    """Return the layers of a model from the headers of its files, the first shard first."""
    tensors = [tensor for header in headers for tensor in header.tensors]
    return _Reader(headers[0]).layers(tensors)


def read_geometry(headers: Sequence[Header]) -> Geometry:
    """Return the geometry of a model from the headers of its files, the first shard first."""
    tensors = [tensor for header in headers for tensor in header.tensors]
    reader = _Reader(headers[0])
    layers = reader.layers(tensors)
    texts = ("tokens", "merges")
    vocabulary, merges = (reader.length(f"tokenizer.ggml.{name}") for name in texts)
    return Geometry(
        weights=sum(map(tensor_bytes, tensors)),
        embedding=sum(tensor_bytes(t) for t in tensors if t.name == "token_embd.weight"),
        layers=len(layers),
        width=reader.width,
        activations=reader.activations(gated=any("ffn_gate" in t.name for t in tensors)),
        heads=max(reader.heads, default=0),
        cache=sum(layer.cache for layer in layers),
        layer_cache=max((layer.cache for layer in layers), default=0) + reader.latent_values(),
        window=reader.window if any(layer.window_cache for layer in layers) else 0,
        window_cache=sum(layer.window_cache for layer in layers),
        state=sum(layer.state for layer in layers),
        layer_state=max((layer.state for layer in layers), default=0),
        vocabulary=vocabulary,
        texts=vocabulary + merges,
        context_length=reader.number("context_length"),
    )


def output_bytes(headers: Sequence[Header]) -> int:
    """Return the size of the output layer, which may share its weights with the embedding."""
    sizes = {tensor.name: tensor_bytes(tensor) for header in headers for tensor in header.tensors}
    return sizes.get("output.weight", sizes.get("token_embd.weight", 0))


def image_values(mmproj: Header) -> int:
    """Return how many values a projector has at once while it encodes an image."""

    def number(key: str) -> int:
        value = positive_int(mmproj.metadata.get(f"clip.vision.{key}"))
        return 0 if value is UNSET else value

    patches = (number("image_size") // (number("patch_size") or 1)) ** 2
    return patches * (4 * number("embedding_length") + 3 * number("feed_forward_length"))


class _Reader:
    """Reads the keys of one architecture."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self.architecture = header.text("general.architecture")
        self.count = min(self.number("block_count"), 1 << 12)
        self.width = self.number("embedding_length")
        self.heads = self._per_layer("attention.head_count", 0)
        self.kv_heads = self._per_layer("attention.head_count_kv", None, self.heads)
        self.window = self.number("attention.sliding_window") or self._windows.size

    @property
    def _windows(self) -> _Windows:
        return _WINDOWS.get(self.architecture, _Windows(1))

    def number(self, key: str, default: int = 0) -> int:
        """Return a positive number, or `default`."""
        value = positive_int(self._value(key))
        return default if value is UNSET else value

    def length(self, key: str) -> int:
        """Return the length of an array."""
        value = self._header.metadata.get(key)
        if isinstance(value, Omitted):
            return value.length
        return len(value) if isinstance(value, list) else 0

    def _value(self, key: str) -> object:
        return self._header.metadata.get(f"{self.architecture}.{key}")

    def _per_layer(self, key: str, default: int | None, defaults: Sequence[int] = ()) -> list[int]:
        """Return a number for each layer; the header has one for all, or a list."""
        value = self._value(key)
        if isinstance(value, list):
            numbers = [n if positive_int(n) is not UNSET else 0 for n in map(_integer, value)]
            return (numbers + [0] * self.count)[: self.count]
        number = positive_int(value)
        if number is not UNSET:
            return [number] * self.count
        return list(defaults) if default is None else [default] * self.count

    # ------------------------------------------------------------ layers

    def layers(self, tensors: Iterable[Tensor]) -> list[Layer]:
        weights = [0] * self.count
        for tensor in tensors:
            match = _LAYER_OF.match(tensor.name)
            if match is not None and int(match[1]) < self.count:
                weights[int(match[1])] += tensor_bytes(tensor)
        recurrent, windowed = self._recurrent(), self._windowed()
        return [
            self._layer(index, weights[index], recurrent[index], windowed[index])
            for index in range(self.count)
        ]

    def _layer(self, index: int, weights: int, recurrent: bool, windowed: bool) -> Layer:
        state = self._state() if recurrent else 0
        # In Falcon-H1, all layers have both.
        attends = not recurrent or self.architecture == "falcon-h1"
        cached = self._cached(index, windowed) if attends else 0
        return Layer(weights, 0 if windowed else cached, cached if windowed else 0, state)

    def _cached(self, index: int, windowed: bool) -> int:
        """Return the number of values that a layer with attention keeps for each token."""
        shared = self.number("attention.shared_kv_layers")
        own = self.count - self.number("nextn_predict_layers") - shared
        if self.architecture == "gemma3n":
            own = _GEMMA3N_LAYERS
        if index >= own or self.architecture in _WITHOUT_CACHE:
            return 0
        default = self.width // (max(self.heads) or 1)
        key = self.number("attention.key_length", default)
        value = self.number("attention.value_length", default)
        if windowed:
            key = self.number("attention.key_length_swa", key)
            value = self.number("attention.value_length_swa", value)
        if self.number("attention.key_length_mla"):
            value = 0  # multi-head latent attention computes values from the keys
        indexer = self.number("attention.indexer.key_length")
        return self.kv_heads[index] * (key + value) + indexer

    def _windowed(self) -> list[bool]:
        """Whether each layer has a sliding window."""
        pattern = self._value("attention.sliding_window_pattern")
        if not self.window or (self.architecture == "exaone4" and self.count != _EXAONE4_LAYERS):
            return [False] * self.count
        if isinstance(pattern, list):
            return ([bool(value) for value in pattern] + [False] * self.count)[: self.count]
        if self.architecture == "lfm2":
            return [not recurrent for recurrent in self._recurrent()]
        if self.architecture not in _WINDOWS:
            return [False] * self.count
        period = self._windows.period if positive_int(pattern) is UNSET else _integer(pattern)
        full = 0 if self._windows.first else period - 1
        return [index % period != full for index in range(self.count)]

    def _recurrent(self) -> list[bool]:
        """Whether each layer keeps a state."""
        listed = self._value("attention.recurrent_layers")
        if isinstance(listed, list):
            return ([bool(value) for value in listed] + [False] * self.count)[: self.count]
        if self.architecture in _RECURRENT or self.architecture == "falcon-h1":
            return [True] * self.count
        if self.architecture in _INTERVALS:
            interval = self.number("full_attention_interval", _INTERVALS[self.architecture])
            trunk = self.count - self.number("nextn_predict_layers")
            return [index < trunk and (index + 1) % interval != 0 for index in range(self.count)]
        if self.architecture not in _HYBRID:
            return [False] * self.count
        if self.architecture.startswith("nemotron_h"):  # its feed-forward layers keep nothing
            forward = self._per_layer("feed_forward_length", 0)
            return [not kv and not ff for kv, ff in zip(self.kv_heads, forward, strict=True)]
        return [not kv_heads for kv_heads in self.kv_heads]

    def _state(self) -> int:
        """Return the number of values in the state of a recurrent layer."""
        heads = max(self.heads, default=0)
        if head := self.number("wkv.head_size"):  # RWKV
            return self.width * (self.number("token_shift_count", 2) + head)
        if length := self.number("shortconv.l_cache"):  # LFM2
            return self.width * (length - 1)
        kernel, inner = self.number("ssm.conv_kernel"), self.number("ssm.inner_size")
        if head := self.number("kda.head_dim"):  # Kimi Linear
            return head * heads * (3 * ((kernel or 4) - 1) + head)
        if self.architecture == "minimax-01":
            head = self.number("attention.key_length", self.width // (heads or 1))
            return head * head * heads
        size, groups = self.number("ssm.state_size"), self.number("ssm.group_count")
        return max(0, kernel - 1) * (inner + 2 * groups * size) + size * inner

    # ------------------------------------------------------------ computation

    def latent_values(self) -> int:
        """Return the number of values for each token that are taken from the keys of a layer."""
        latent = self.number("attention.key_length_mla") > 0
        return (
            self.number("attention.value_length") * max(self.kv_heads, default=0) if latent else 0
        )

    def activations(self, *, gated: bool) -> int:
        """Return the most values that one token has at once, from the graphs of llama.cpp.

        `gated` is whether the feed-forward networks have a gate.
        """
        forward = max(self._per_layer("feed_forward_length", 0), default=0)
        dense = (3 if gated else 2) * forward
        used = self.number("expert_used_count")
        expert = self.number("expert_feed_forward_length", forward)
        experts = used * (3 * expert + self.width)
        inner = self.number("ssm.inner_size")
        mixed = 5 * inner + 4 * self.number("ssm.group_count") * self.number("ssm.state_size")
        if self.number("wkv.head_size"):
            mixed = 11 * self.width
        heads = max(self.heads, default=0)
        key = self.number("attention.key_length_mla") or self.number("attention.key_length")
        attention = 3 * heads * (key or self.width // (heads or 1))
        return (4 if gated or mixed else 2) * self.width + max(dense, experts, mixed, attention)


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0
