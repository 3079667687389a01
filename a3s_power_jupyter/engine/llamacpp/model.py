"""A llama.cpp model, its vocabulary, and the contexts made of it."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llama_cpp as lc
import psutil
from msgspec import UNSET

from ...contract.errors import InvalidParameter, ModelLoadFailed
from ...contract.parameters import LoadParameters
from ...contract.types import Device
from ..base import Progress
from ..protocol import Load
from .devices import gpus, list_devices
from .logs import last_errors

if TYPE_CHECKING:
    from .vision import Projector

#: Share of a GPU's free memory that a model may take, and what the compute buffers are given.
GPU_SHARE = 0.92
GPU_RESERVE_BYTES = 512 * 1024 * 1024

_KV_TYPES = {
    "f32": lc.GGML_TYPE_F32,
    "f16": lc.GGML_TYPE_F16,
    "bf16": 30,  # GGML_TYPE_BF16 of ggml.h; llama-cpp-python does not name it
    "q8_0": lc.GGML_TYPE_Q8_0,
    "q4_0": lc.GGML_TYPE_Q4_0,
}


class LlamaModel:
    """The weights and the vocabulary; makes contexts."""

    def __init__(self, load: Load, progress: Progress) -> None:
        self.parameters = load.parameters
        devices = list_devices()
        self.gpu_layers = self._choose_gpu_layers(load, devices)
        self._pointer = _load_model(load, self.gpu_layers, progress)
        self.vocab = Vocabulary(lc.llama_model_get_vocab(self._pointer))
        self.trained_ctx = int(lc.llama_model_n_ctx_train(self._pointer))
        self.n_embd = int(lc.llama_model_n_embd_out(self._pointer))
        self.has_decoder = bool(lc.llama_model_has_decoder(self._pointer))
        names = [d.name for d in gpus(devices)]
        self.device = "+".join(names) if self.gpu_layers and names else "cpu"

    @property
    def num_ctx(self) -> int:
        """Tokens of context of one request."""
        return self.parameters.context_length(self.trained_ctx)

    @property
    def generates(self) -> bool:
        """False for encoders (BERT and its kin), which only embed."""
        causal = self.metadata(f"{self.metadata('general.architecture')}.attention.causal")
        return self.has_decoder and causal != "false"

    def metadata(self, key: str) -> str | None:
        """A value of the GGUF header as text, whole however long it is."""
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lc.llama_model_meta_val_str(self._pointer, key.encode(), buffer, size)
            if length < 0:
                return None
            if length < size:
                return buffer.value.decode("utf-8", errors="replace")
            size = length + 1

    def chat_template(self) -> str | None:
        """The template given at registration, else the model's own."""
        if self.parameters.chat_template is not UNSET:
            return self.parameters.chat_template
        template = lc.llama_model_chat_template(self._pointer, None)
        return template.decode("utf-8", errors="replace") if template else None

    def new_context(self, **overrides: Any) -> Any:
        """A context with this model's load parameters and the fields in `overrides`.

        Raises
        ------
        ModelLoadFailed
            llama.cpp could not allocate it.
        """
        params = lc.llama_context_default_params()
        threads = self.threads
        params.n_threads = threads
        params.n_threads_batch = threads
        params.no_perf = True
        given = self.parameters
        if given.flash_attention is not UNSET:
            params.flash_attn_type = (
                lc.LLAMA_FLASH_ATTN_TYPE_ENABLED
                if given.flash_attention
                else lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
            )
        if given.kv_cache_type is not UNSET:
            params.type_k = params.type_v = _KV_TYPES[given.kv_cache_type]
        for field, value in overrides.items():
            setattr(params, field, value)
        context = lc.llama_init_from_model(self._pointer, params)
        if not context:
            raise ModelLoadFailed(
                f"llama.cpp could not make a context of {params.n_ctx} tokens"
                f"{last_errors()}. Load it with a smaller num_ctx, or free some memory."
            )
        return context

    def load_projector(self, path: str) -> Projector:
        """The image part that belongs to this model.

        Raises
        ------
        ModelLoadFailed
        """
        from .vision import Projector

        return Projector(path, self._pointer, self.threads, gpu=self.gpu_layers != 0)

    @property
    def threads(self) -> int:
        if self.parameters.num_thread is not UNSET:
            return self.parameters.num_thread
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
        return min(physical, allowed or physical)

    def _choose_gpu_layers(self, load: Load, devices: list[Device]) -> int:
        """Layers on the GPU; llama.cpp takes -1 for all of them."""
        asked = self.parameters.num_gpu
        layers = load.gpu_layers if asked is UNSET else asked
        available = gpus(devices)
        if not available:
            return 0
        if layers is not None:
            return layers
        return layers_that_fit(
            weights=sum(Path(path).stat().st_size for path in load.paths),
            layers=load.layers,
            kv_bytes=load.kv_bytes,
            free=sum(d.memory_free for d in available if d.memory_free is not UNSET),
        )


def layers_that_fit(*, weights: int, layers: int, kv_bytes: int, free: int) -> int:
    """How many layers fit into `free` bytes of GPU memory; -1 is all of them.

    The output layer counts as one more, and the KV cache is shared out over the layers. A model
    whose layer count is unknown (0) goes on the GPU whole or not at all.
    """
    budget = free * GPU_SHARE - GPU_RESERVE_BYTES
    per_layer = (weights + kv_bytes) / (layers + 1)
    if budget >= weights + kv_bytes:
        return -1
    return max(0, math.floor(budget / per_layer)) if layers else 0


class Vocabulary:
    """Text to tokens and back."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        self.size = int(lc.llama_vocab_n_tokens(pointer))
        self._pieces: dict[int, bytes] = {}
        self._eog: dict[int, bool] = {}
        self.bos_text = self.text(lc.llama_vocab_bos(pointer))
        self.eos_text = self.text(lc.llama_vocab_eos(pointer))

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`; special tokens written out in it count as such."""
        raw = text.encode("utf-8", errors="replace")
        capacity = len(raw) + 8
        tokens = (lc.llama_token * capacity)()
        count = lc.llama_tokenize(self.pointer, raw, len(raw), tokens, capacity, add_special, True)
        if count < 0:
            tokens = (lc.llama_token * -count)()
            count = lc.llama_tokenize(
                self.pointer, raw, len(raw), tokens, -count, add_special, True
            )
        return list(tokens[:count])

    def check(self, tokens: Sequence[int]) -> None:
        """Refuse ids that the model does not have.

        Raises
        ------
        InvalidParameter
        """
        for token in tokens:
            if not 0 <= token < self.size:
                raise InvalidParameter(
                    f"Token id {token} is not in the model's vocabulary of {self.size} tokens."
                )

    def is_end(self, token: int) -> bool:
        """Whether `token` ends a generation."""
        if token not in self._eog:
            self._eog[token] = bool(lc.llama_vocab_is_eog(self.pointer, token))
        return self._eog[token]

    def piece(self, token: int) -> bytes:
        """What `token` adds to the text: bytes, since a character may span tokens."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._render(token, special=False)
        return known

    def text(self, token: int) -> str:
        """The written form of a token, special ones included; "" for none (-1)."""
        return self._render(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def _render(self, token: int, *, special: bool) -> bytes:
        size = 64
        buffer = ctypes.create_string_buffer(size)
        length = lc.llama_token_to_piece(self.pointer, token, buffer, size, 0, special)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = lc.llama_token_to_piece(self.pointer, token, buffer, -length, 0, special)
        return buffer.raw[:length]


def _load_model(load: Load, gpu_layers: int, progress: Progress) -> Any:
    parameters = load.parameters
    params = lc.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    params.load_mode = _load_mode(parameters)
    if parameters.main_gpu is not UNSET:
        params.main_gpu = parameters.main_gpu
    if parameters.tensor_split is not UNSET:
        split = (ctypes.c_float * lc.LLAMA_MAX_DEVICES)(*_split_shares(parameters.tensor_split))
        params.tensor_split = split

    @lc.llama_progress_callback  # type: ignore[untyped-decorator]
    def on_progress(value: float, _data: object) -> bool:
        progress(value)
        return True

    params.progress_callback = on_progress
    paths = [os.fsencode(path) for path in load.paths]
    if len(paths) == 1:
        pointer = lc.llama_model_load_from_file(paths[0], params)
    else:
        pointer = lc.llama_model_load_from_splits(
            (ctypes.c_char_p * len(paths))(*paths), len(paths), params
        )
    if not pointer:
        raise ModelLoadFailed(f"llama.cpp could not load the model{last_errors()}.")
    return pointer


def _split_shares(shares: Sequence[float]) -> list[float]:
    if len(shares) > lc.LLAMA_MAX_DEVICES or sum(shares) <= 0:
        raise InvalidParameter(
            f"tensor_split takes up to {lc.LLAMA_MAX_DEVICES} shares that add up to more than 0.",
            param="tensor_split",
        )
    return list(shares)


def _load_mode(parameters: LoadParameters) -> int:
    mmap = True if parameters.use_mmap is UNSET else parameters.use_mmap
    mlock = False if parameters.use_mlock is UNSET else parameters.use_mlock
    modes = {
        (False, False): lc.LLAMA_LOAD_MODE_NONE,
        (True, False): lc.LLAMA_LOAD_MODE_MMAP,
        (False, True): lc.LLAMA_LOAD_MODE_MLOCK,
        (True, True): lc.LLAMA_LOAD_MODE_MMAP_MLOCK,
    }
    return int(modes[mmap, mlock])
