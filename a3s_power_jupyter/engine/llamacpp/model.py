"""Load a llama.cpp model and create its contexts."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import llama_cpp as lc
from msgspec import UNSET

from ...contract.errors import InvalidParameter, ModelLoadFailed
from ...contract.parameters import LoadParameters
from ...contract.types import Device
from ...store.files import source_file
from ...store.formats.gguf import read_header
from ...store.formats.gguf_model import ENCODERS
from ...store.formats.positions import gguf_position_count
from ..base import ProgressCallback
from ..capacity import LLAMACPP_PADDING, llamacpp_batch, llamacpp_outputs, llamacpp_requests
from ..effects import check_main_gpu, notes_on_effects
from ..estimate import layers_that_fit
from ..protocol import Load
from ..template import TemplateSources
from ..threads import CpuThreads
from .backend import free_gpu_bytes, gpus, last_errors, list_devices, locked_bytes
from .classifier import why_no_reranker
from .decoder import COMPRESSING
from .vocabulary import Vocabulary

_KV_TYPES = {
    "f32": lc.GGML_TYPE_F32,
    "f16": lc.GGML_TYPE_F16,
    "bf16": 30,  # GGML_TYPE_BF16 of ggml.h, which llama-cpp-python does not export
    "q8_0": lc.GGML_TYPE_Q8_0,
    "q4_0": lc.GGML_TYPE_Q4_0,
}


class LlamaModel:
    """A loaded model.

    Attributes
    ----------
    pointer : ctypes pointer
        llama.cpp's ``llama_model``.
    gpu_layers : int
        Layers on the GPU; -1 means all.
    trained_ctx : int
        Context length that the model was trained for.
    position_limit : int or None
        Rows of the model's table of positions; None if it computes its positions.
    n_embd : int
        Length of an embedding.
    no_reranker : str
        Why the model cannot rank documents, as a sentence without its period; "" if it can.
    device : str
        "cpu", or the names of the GPUs.
    notes : tuple of str
        Messages for the user about load parameters.

    Raises
    ------
    ModelLoadFailed
        If llama.cpp cannot load the files.
    InvalidParameter
        If load parameters contradict each other or the number of GPUs.
    """

    def __init__(self, load: Load, progress: ProgressCallback, *, no_alloc: bool = False) -> None:
        self.parameters = load.parameters
        self.threads = CpuThreads.from_parameters(load.parameters)
        devices = list_devices()
        _check_parameters(load.parameters, len(gpus(devices)))
        self.gpu_layers = self._choose_gpu_layers(load, devices)
        self.pointer = _load_model(load, self.gpu_layers, progress, no_alloc=no_alloc)
        self.vocab = Vocabulary(lc.llama_model_get_vocab(self.pointer))
        self.vocab.require_bytes()
        self.trained_ctx = int(lc.llama_model_n_ctx_train(self.pointer))
        self.no_reranker = why_no_reranker(load, self.pointer)
        self.position_limit = self._read_position_limit(load)
        self.n_embd = int(lc.llama_model_n_embd_out(self.pointer))
        self.has_decoder = bool(lc.llama_model_has_decoder(self.pointer))
        names = [device.name for device in _candidates(load.parameters, devices)]
        self.device = "+".join(names) if self.gpu_layers and names else "cpu"
        self.notes = self._read_notes(len(gpus(devices)))

    @property
    def num_ctx(self) -> int:
        """Tokens of context for each request."""
        length = self.parameters.context_length(self.trained_ctx)
        return length if self.position_limit is None else min(length, self.position_limit)

    def _read_notes(self, n_gpus: int) -> tuple[str, ...]:
        """Return notes about load parameters without effect."""
        parameters = self.parameters
        notes = notes_on_effects(
            parameters, "llama.cpp", gpus=n_gpus, generates=self.generates, is_causal=self.is_causal
        )
        if parameters.num_ctx is not UNSET and parameters.num_ctx > self.num_ctx:
            notes += (f"num_ctx is {self.num_ctx}, the most that this model can process.",)
        if parameters.use_mlock is True and locked_bytes() == 0:
            notes += (
                "use_mlock has no effect: the limit of locked memory (ulimit -l) is too low.",
            )
        return notes

    def _read_position_limit(self, load: Load) -> int | None:
        width = int(lc.llama_model_n_embd(self.pointer))
        headers = (read_header(source_file(Path(path))) for path in load.paths)
        tensors = (tensor for header in headers for tensor in header.tensors)
        count = gguf_position_count(tensors, width)
        return None if count is UNSET else count

    @property
    def ranks(self) -> bool:
        """Whether the model is a cross-encoder, which only ranks documents."""
        return not self.no_reranker

    @property
    def architecture(self) -> str:
        return self.metadata("general.architecture") or ""

    @property
    def pooling_type(self) -> int:
        """The pooling type in the header; ``LLAMA_POOLING_TYPE_NONE`` without one."""
        return int(self.metadata(f"{self.architecture}.pooling_type") or 0)

    @property
    def is_causal(self) -> bool:
        """False for encoders such as BERT, in which a token attends to later ones, too."""
        causal = self.metadata(f"{self.architecture}.attention.causal") != "false"
        return self.has_decoder and causal and self.architecture not in ENCODERS

    @property
    def generates(self) -> bool:
        """Whether the model generates text. Others only embed, or rank documents."""
        pools = self.pooling_type != lc.LLAMA_POOLING_TYPE_NONE
        return self.is_causal and not pools and not self.ranks

    @property
    def can_share_memory(self) -> bool:
        """False if sequences cannot share or drop single tokens.

        A recurrent state and a sliding window belong to one sequence and its last position.
        """
        pointer = self.pointer
        return not (
            lc.llama_model_is_recurrent(pointer)
            or lc.llama_model_is_hybrid(pointer)
            or lc.llama_model_n_swa(pointer) > 0
            or self.architecture in COMPRESSING
        )

    def metadata(self, key: str) -> str | None:
        """Return a value of the GGUF header as text, or None if the key is missing."""
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lc.llama_model_meta_val_str(self.pointer, key.encode(), buffer, size)
            if length < 0:
                return None
            if length < size:
                return buffer.value.decode("utf-8", errors="replace")
            size = length + 1

    def chat_templates(self) -> TemplateSources | None:
        """Return the template in the load parameters, else the model's own."""
        if self.parameters.chat_template is not UNSET:
            return TemplateSources(self.parameters.chat_template)
        key = "tokenizer.chat_template"
        named = {"default": self.metadata(key), "tool_use": self.metadata(f"{key}.tool_use")}
        return TemplateSources.from_names({k: v for k, v in named.items() if v is not None})

    def text_context(self, *, image_batch: int = 0) -> dict[str, Any]:
        """Return the fields of ``llama_context_params`` for the generation of text.

        Parameters
        ----------
        image_batch : int
            Tokens that must fit into one step, for images with non-causal attention.
        """
        parameters = self.parameters
        requests = llamacpp_requests(parameters, stateful=not self.can_share_memory)
        # llama.cpp rounds the context up, but limits the batch to what it was before.
        n_ctx = -(-self.num_ctx // LLAMACPP_PADDING) * LLAMACPP_PADDING
        batch = llamacpp_batch(parameters, requests=requests, gpu=self.device != "cpu")
        sizes = {"n_batch": min(batch, n_ctx)}
        if image_batch:
            sizes = dict.fromkeys(("n_batch", "n_ubatch"), min(max(batch, image_batch), n_ctx))
        return {
            "n_ctx": n_ctx,
            "n_seq_max": requests,
            "kv_unified": True,  # one memory for all requests
            "swa_full": False,  # sliding windows only
            **sizes,
        }

    def new_context(self, **overrides: Any) -> Any:
        """Create a context with this model's load parameters.

        Parameters
        ----------
        **overrides
            Other fields of ``llama_context_params``.

        Raises
        ------
        ModelLoadFailed
            If llama.cpp cannot allocate the context.
        """
        params = lc.llama_context_default_params()
        params.no_perf = True
        flash_attention = self.parameters.flash_attention
        if flash_attention is not UNSET:
            params.flash_attn_type = (
                lc.LLAMA_FLASH_ATTN_TYPE_ENABLED
                if flash_attention
                else lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
            )
        if self.parameters.kv_cache_type is not UNSET:
            params.type_k = params.type_v = _KV_TYPES[self.parameters.kv_cache_type]
        for field, value in overrides.items():
            setattr(params, field, value)
        if not params.embeddings:
            # Most requests need the logits of one token at a time. By default, llama.cpp reserves
            # memory for those of a whole batch: 257 MiB with the 262,144 tokens of Gemma 3.
            params.n_outputs_max = llamacpp_outputs(params.n_seq_max)
        context = lc.llama_init_from_model(self.pointer, params)
        if not context:
            raise ModelLoadFailed(
                f"llama.cpp could not create a context of {params.n_ctx} tokens{last_errors()}. "
                "Load the model with a smaller num_ctx, or unload other models."
            )
        return context

    def _choose_gpu_layers(self, load: Load, devices: list[Device]) -> int:
        """Return the number of layers to put on the GPU; -1 means all."""
        num_gpu = self.parameters.num_gpu
        layers = load.gpu_layers if num_gpu is UNSET else num_gpu
        if not gpus(devices):
            return 0
        if layers is not None:
            return layers
        headers = [read_header(source_file(Path(path))) for path in load.paths]
        free = free_gpu_bytes(_candidates(self.parameters, devices))
        return layers_that_fit(headers, self.parameters, free)


def _load_model(load: Load, gpu_layers: int, progress: ProgressCallback, *, no_alloc: bool) -> Any:
    parameters = load.parameters
    params = lc.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    params.no_alloc = no_alloc
    # llama.cpp ends the process if it should map a file without allocating memory.
    params.load_mode = lc.LLAMA_LOAD_MODE_NONE if no_alloc else _load_mode(parameters)
    if parameters.main_gpu is not UNSET and gpu_layers != 0:
        params.main_gpu = parameters.main_gpu
        params.split_mode = lc.LLAMA_SPLIT_MODE_NONE  # the other modes do not use main_gpu
    if parameters.tensor_split is not UNSET:
        shares = (ctypes.c_float * lc.LLAMA_MAX_DEVICES)(*parameters.tensor_split)
        params.tensor_split = shares

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


def _check_parameters(parameters: LoadParameters, n_gpus: int) -> None:
    """Raise `InvalidParameter` for parameters that llama.cpp or the machine cannot honour."""
    shares = parameters.tensor_split
    most = n_gpus or int(lc.LLAMA_MAX_DEVICES)
    if shares is not UNSET and (len(shares) > most or sum(shares) <= 0):
        raise InvalidParameter(
            f"tensor_split must have at most {most} shares, one for each GPU, with a sum above 0.",
            param="tensor_split",
        )
    if n_gpus:
        check_main_gpu(parameters, n_gpus)
    if parameters.main_gpu is not UNSET and shares is not UNSET:
        raise InvalidParameter(
            "main_gpu puts the model on one GPU, and tensor_split on several. Omit one of them.",
            param="main_gpu",
        )
    quantized = parameters.kv_cache_type in ("q8_0", "q4_0")
    if quantized and parameters.flash_attention is False:
        raise InvalidParameter(
            f"The kv_cache_type {parameters.kv_cache_type} needs flash attention. Omit "
            "flash_attention, or choose f16.",
            param="kv_cache_type",
        )


def _candidates(parameters: LoadParameters, devices: list[Device]) -> list[Device]:
    """Return the GPUs that the parameters allow."""
    main = parameters.main_gpu
    return gpus(devices) if main is UNSET else gpus(devices)[main : main + 1]


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
