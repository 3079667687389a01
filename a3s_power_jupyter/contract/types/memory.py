"""The memory of models: the shape of their caches, and how much a model takes."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..parameters import SparseStruct
from .device_info import Device


class Geometry(msgspec.Struct, frozen=True):
    """What the memory of a model depends on, apart from its load parameters.

    Attributes
    ----------
    weights : int
        Bytes of the tensors.
    embedding : int
        Bytes of the embedding of the tokens, a part of `weights`.
    layers : int
        Number of layers.
    width : int
        Length of the hidden state.
    activations : int
        Most values that one token has at once while a layer is computed.
    heads : int
        Most attention heads of a layer.
    cache : int
        Values that the layers keep for each token of the context.
    layer_cache : int
        Most values that one of these layers reads.
    window : int
        Tokens that layers with a sliding window attend to; 0 if there are no such layers.
    window_cache : int
        Values that these layers keep for each token of their window.
    state : int
        Values that recurrent layers keep for each request.
    layer_state : int
        Most values of one of these layers.
    vocabulary : int
        Number of tokens.
    texts : int
        Number of texts in the tokenizer: tokens and merges.
    context_length : int
        Context length that the model was trained with, in tokens; 0 if unknown.
    projector : int
        Bytes of the projector of a GGUF model with vision.
    image : int
        Values that the projector has at once while it encodes an image.
    """

    weights: int = 0
    embedding: int = 0
    layers: int = 0
    width: int = 0
    activations: int = 0
    heads: int = 0
    cache: int = 0
    layer_cache: int = 0
    window: int = 0
    window_cache: int = 0
    state: int = 0
    layer_state: int = 0
    vocabulary: int = 0
    texts: int = 0
    context_length: int = 0
    projector: int = 0
    image: int = 0


class MemoryUse(msgspec.Struct, frozen=True):
    """The memory of a model, in bytes.

    Attributes
    ----------
    weights : int
        The weights, whether mapped from the files or copied. With the projector for images.
    cache : int
        The KV cache, and the state of recurrent layers.
    buffers : int
        Intermediate results of a computation.
    other : int
        The worker process itself: interpreter, libraries and tokenizer, and the process that
        renders chat templates.
    """

    weights: int
    cache: int
    buffers: int
    other: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.buffers + self.other


class DeviceMemory(SparseStruct, frozen=True):
    """The memory of the machine or of a GPU, in bytes. `total` is the sum of the other sizes.

    Attributes
    ----------
    name : str
        ``"RAM"``, or the GPU's name in llama.cpp, such as ``"CUDA0"``.
    description : str
        Product name of a GPU.
    models : dict
        Sizes of the models in memory, by name.
    other : int
        What other programs use. For a GPU, as of the last time that llama.cpp was asked.
    """

    name: str
    kind: Literal["ram", "gpu"]
    total: int
    free: int
    other: int
    models: dict[str, int]
    description: str | UnsetType = UNSET


class Memory(SparseStruct, frozen=True):
    """The memory of the machine, then that of each GPU.

    Attributes
    ----------
    limit : int
        Bytes that all models together may use in RAM, if that is limited by the setting
        `memory_limit`.
    """

    devices: tuple[DeviceMemory, ...]
    limit: int | UnsetType = UNSET


class Estimate(SparseStruct, frozen=True):
    """What a load of a model would take, and whether there is room for it. Sizes are in bytes.

    Attributes
    ----------
    id : str
        Name of the model.
    num_ctx : int
        Context length of each request, in tokens.
    weights, cache, buffers, other : int
        As in `MemoryUse`.
    total : int
        Their sum.
    gpu : int
        The part of `total` on GPUs.
    source : {"llama.cpp", "header"}
        Whether llama.cpp computed the sizes of cache and buffers, or the server from the headers of
        the model's files.
    free : int
        Memory of the machine that the model may use, without unloading others.
    fits : bool
        Whether the model can be loaded, possibly after others are unloaded.
    evicts : tuple of str
        Names of the idle models that would be unloaded.
    waits : bool
        Whether a load would wait until models that are in use become idle.
    largest_num_ctx : int
        Largest context length that fits, in tokens, at most `context_length`, so that the training
        is the limit if both are equal, and memory otherwise; unset if none fits.
    context_length : int
        Context length that the model was trained with, in tokens; unset if it does not state one.
    devices : tuple of Device
        The GPUs, with their free memory.
    gpu_layers : int
        Number of layers that would be put on the GPUs; -1 for all. Unset without a GPU.
    """

    id: str
    num_ctx: int
    weights: int
    cache: int
    buffers: int
    other: int
    total: int
    gpu: int
    source: Literal["llama.cpp", "header"]
    free: int
    fits: bool
    evicts: tuple[str, ...] = ()
    waits: bool = False
    object: Literal["estimate"] = "estimate"
    largest_num_ctx: int | UnsetType = UNSET
    context_length: int | UnsetType = UNSET
    devices: tuple[Device, ...] = ()
    gpu_layers: int | UnsetType = UNSET
