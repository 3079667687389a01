"""Encode images with the mmproj of a GGUF model, using llama.cpp's mtmd library.

An image becomes a chunk of embeddings that takes a number of tokens in the prompt. These tokens
get negative ids, which are in no vocabulary, derived from the image's hash. A request can therefore
find the same image in its cache like any other prefix, and never mistakes another image for it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import llama_cpp as lc
from llama_cpp import mtmd_cpp as mtmd
from PIL import Image

from ...contract.errors import InvalidParameter, ModelLoadFailed
from .. import images
from .backend import compute_error, last_errors, on_log
from .decoder import Decoder, on_image_node
from .prompt import ImageChunk, Prompt

#: With non-causal attention, all tokens of an image must be computed in one batch. Gemma 3 needs
#: 256; the rest is for models with a few tiles.
NON_CAUSAL_BATCH = 1024


class Chunks:
    """The chunks of a prompt tokenized by mtmd. Owns their memory and frees it when deleted."""

    def __init__(self) -> None:
        self.pointer = mtmd.mtmd_input_chunks_init()

    def __iter__(self) -> Iterator[Any]:
        for i in range(mtmd.mtmd_input_chunks_size(self.pointer)):
            yield mtmd.mtmd_input_chunks_get(self.pointer, i)

    def __del__(self) -> None:
        mtmd.mtmd_input_chunks_free(self.pointer)


class Projector:
    """A loaded mmproj.

    Parameters
    ----------
    path : str
        The mmproj file.
    model : ctypes pointer
        llama.cpp's ``llama_model``.

    Attributes
    ----------
    marker : str
        Placeholder for an image in a text. It is random, so that a user's text cannot contain it.
    non_causal : bool
        Whether the tokens of an image attend to each other in both directions.
    min_batch : int
        Batch size that an image may need with non-causal attention, in tokens.

    Raises
    ------
    ModelLoadFailed
        If the file is not an mmproj for images or does not belong to the model.
    """

    min_batch = NON_CAUSAL_BATCH

    def __init__(self, path: str, model: Any, *, n_threads: int, gpu: bool) -> None:
        self.marker = f"<__image_{secrets.token_hex(8)}__>"
        mtmd.mtmd_helper_log_set(on_log, None)
        params = mtmd.mtmd_context_params_default()
        params.use_gpu = gpu
        params.n_threads = n_threads
        params.print_timings = False
        params.warmup = False
        if not gpu:  # there an image takes less than a second
            params.cb_eval = on_image_node
        params.media_marker = self._marker = self.marker.encode()
        self._pointer = mtmd.mtmd_init_from_file(os.fsencode(path), model, params)
        if not self._pointer:
            raise ModelLoadFailed(
                f"llama.cpp could not load the model's mmproj{last_errors()}. Register the model "
                "with the mmproj that belongs to it."
            )
        if not mtmd.mtmd_support_vision(self._pointer):
            raise ModelLoadFailed("The model's mmproj does not support images.")
        self.non_causal = bool(mtmd.mtmd_decode_use_non_causal(self._pointer, None))

    def tokenize(self, text: str, files: Sequence[bytes], *, add_special: bool) -> Prompt:
        """Tokenize a text in which each marker is replaced by the next image.

        Raises
        ------
        InvalidParameter
            If an image cannot be decoded, or mtmd rejects the images.
        """
        decoded = images.decode(files)
        raw = text.encode("utf-8", errors="replace")
        input_text = mtmd.mtmd_input_text(raw, len(raw), add_special, True)
        chunks = Chunks()
        bitmaps: list[Any] = []
        try:
            for image in decoded:
                bitmaps.append(_bitmap(image))
            array = (mtmd.mtmd_bitmap_p_ctypes * len(bitmaps))(*bitmaps)
            status = mtmd.mtmd_tokenize(
                self._pointer, chunks.pointer, ctypes.byref(input_text), array, len(bitmaps)
            )
        finally:
            for bitmap in bitmaps:
                mtmd.mtmd_bitmap_free(bitmap)
        if status != 0:
            raise InvalidParameter(
                f"The model cannot process these images{last_errors()} (status {status}).",
                param="messages",
            )
        return _prompt(chunks, decoded)

    def check(self, prompt: Prompt, context: Any) -> None:
        """Check that llama.cpp can process a prompt.

        Raises
        ------
        InvalidParameter
            If an image does not fit into one batch, or no text follows the last image.
        """
        if prompt.tokens[-1] < 0:
            raise InvalidParameter(
                "The prompt ends with an image. Add text after it.", param="messages"
            )
        largest = max(image.n_tokens for image in prompt.images.values())
        n_ubatch = int(lc.llama_n_ubatch(context))
        if self.non_causal and largest > n_ubatch:
            raise InvalidParameter(
                f"An image takes {largest} tokens, but the model processes {n_ubatch} per step "
                f"and cannot split an image. Load it with num_batch={largest}.",
                param="messages",
            )

    def encode(
        self, decoder: Decoder, id_: int, image: ImageChunk, n_past: int, seq_id: int
    ) -> int:
        """Encode an image of the request `id_` and add it to a sequence at position `n_past`.

        Returns
        -------
        int
            The position after the image.

        Raises
        ------
        Aborted
            If the request is cancelled meanwhile.
        ModelLoadFailed
            If llama.cpp cannot encode the image.
        """
        new_n_past = lc.llama_pos(0)
        context = decoder.context
        status = decoder.call(
            mtmd.mtmd_helper_eval_chunk_single,
            self._pointer,
            context,
            image.pointer,
            n_past,
            seq_id,
            lc.llama_n_batch(context),
            False,  # no logits: mtmd has none for images
            ctypes.byref(new_n_past),
            tokens={id_: image.n_tokens},
        )
        if status != 0:
            raise compute_error(f"could not encode an image (status {status})")
        return int(new_n_past.value)


def _bitmap(image: Image.Image) -> Any:
    data = image.tobytes()
    pixels = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
    return mtmd.mtmd_bitmap_init(image.width, image.height, pixels)


def _prompt(chunks: Chunks, decoded: Sequence[Image.Image]) -> Prompt:
    prompt = Prompt([], owner=chunks)
    for chunk in chunks:
        n_tokens = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
            length = ctypes.c_size_t()
            tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(length))
            prompt.tokens += tokens[: length.value]
        else:
            prompt.images[len(prompt.tokens)] = ImageChunk(chunk, n_tokens)
            prompt.tokens += [0] * n_tokens
    hashes = _hashes(decoded, len(prompt.images))
    for (start, image), digest in zip(prompt.images.items(), hashes, strict=True):
        # The ids fit into 64 bits with their sign, as `token_array` needs it.
        first = -1 - (int.from_bytes(digest[:8], sys.byteorder) >> 17 << 16)
        prompt.tokens[start : start + image.n_tokens] = range(first, first - image.n_tokens, -1)
    return prompt


def _hashes(decoded: Sequence[Image.Image], n_chunks: int) -> list[bytes]:
    """Return a hash for each image chunk.

    If the model cuts images into tiles, an image has several chunks. A chunk's hash then covers all
    images and the chunk's index.
    """
    hashes = [hashlib.sha256(repr(im.size).encode() + im.tobytes()).digest() for im in decoded]
    if n_chunks == len(hashes):
        return hashes
    joined = b"".join(hashes)
    return [hashlib.sha256(joined + i.to_bytes(4, sys.byteorder)).digest() for i in range(n_chunks)]
