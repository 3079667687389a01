"""The image part of a GGUF model (its mmproj file), by llama.cpp's mtmd.

An image becomes a chunk of embeddings that stands in the prompt as so many tokens. Those are given
ids that no vocabulary has, made from the image's hash: a slot that holds the same image at the
same place is found to hold it, and another image never is.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import sys
from collections.abc import Sequence
from typing import Any

import llama_cpp as lc
from llama_cpp import mtmd_cpp as mtmd
from PIL import Image

from ...contract.errors import InvalidParameter, ModelLoadFailed
from .. import images
from .logs import last_errors, on_log
from .slot import Picture, Prompt

#: Tokens of an image that attends to itself as a whole must be computed in one batch. As many as
#: the models that do so (Gemma 3: 256) and a few tiles more.
WHOLE_IMAGE_BATCH = 1024


class Chunks:
    """What mtmd made of a prompt; its memory is freed with this object."""

    def __init__(self) -> None:
        self.pointer = mtmd.mtmd_input_chunks_init()

    def __iter__(self) -> Any:
        for i in range(mtmd.mtmd_input_chunks_size(self.pointer)):
            yield mtmd.mtmd_input_chunks_get(self.pointer, i)

    def __del__(self) -> None:
        mtmd.mtmd_input_chunks_free(self.pointer)


class Projector:
    """A loaded mmproj.

    Attributes
    ----------
    marker : stands for an image in a text. It cannot be guessed, so no user's text holds it.
    whole : whether the tokens of an image attend to each other, also to those behind them.
    batch : tokens of one batch that such an image may need.

    Raises
    ------
    ModelLoadFailed
    """

    batch = WHOLE_IMAGE_BATCH

    def __init__(self, path: str, model: Any, threads: int, gpu: bool) -> None:
        self.marker = f"<__image_{secrets.token_hex(8)}__>"
        mtmd.mtmd_helper_log_set(on_log, None)
        params = mtmd.mtmd_context_params_default()
        params.use_gpu = gpu
        params.n_threads = threads
        params.print_timings = False
        params.warmup = False
        params.media_marker = self._marker = self.marker.encode()
        self.pointer = mtmd.mtmd_init_from_file(os.fsencode(path), model, params)
        if not self.pointer:
            raise ModelLoadFailed(
                f"llama.cpp could not load the image part of the model{last_errors()}. It must "
                "belong to the model; register the model with the right mmproj."
            )
        if not mtmd.mtmd_support_vision(self.pointer):
            raise ModelLoadFailed("The model's mmproj is not one for images.")
        self.whole = bool(mtmd.mtmd_decode_use_non_causal(self.pointer, None))

    def tokenize(self, text: str, files: Sequence[bytes], add_special: bool) -> Prompt:
        """A prompt in which the markers of `text` are the images of `files`.

        Raises
        ------
        InvalidParameter
            An image cannot be decoded or is nothing that the model can look at.
        """
        decoded = images.decode(files)
        raw = text.encode("utf-8", errors="replace")
        given = mtmd.mtmd_input_text(raw, len(raw), add_special, True)
        chunks = Chunks()
        bitmaps = [_bitmap(image) for image in decoded]
        try:
            array = (mtmd.mtmd_bitmap_p_ctypes * len(bitmaps))(*bitmaps)
            status = mtmd.mtmd_tokenize(
                self.pointer, chunks.pointer, ctypes.byref(given), array, len(bitmaps)
            )
        finally:
            for bitmap in bitmaps:
                mtmd.mtmd_bitmap_free(bitmap)
        if status != 0:
            raise InvalidParameter(
                f"The model cannot look at these images{last_errors()} (status {status}).",
                param="messages",
            )
        return _prompt(chunks, decoded)

    def check(self, prompt: Prompt, context: Any) -> None:
        """Refuse what llama.cpp cannot compute.

        Raises
        ------
        InvalidParameter
            An image that the context cannot read in one step, or no text behind the last one.
        """
        if prompt.tokens[-1] < 0:
            raise InvalidParameter(
                "The prompt ends with an image; the model needs text behind it.", param="messages"
            )
        largest = max(image.tokens for image in prompt.images.values())
        room = int(lc.llama_n_ubatch(context))
        if self.whole and largest > room:
            raise InvalidParameter(
                f"An image counts as {largest} tokens, and the model must read them in one step "
                f"of {room}. Load it with num_batch {largest}.",
                param="messages",
            )

    def decode(self, context: Any, chunk: Any, past: int, sequence: int) -> int | None:
        """Compute an image and put it into a sequence at position `past`.

        Returns
        -------
        int or None
            The position behind it; None where that failed.
        """
        after = lc.llama_pos(0)
        status = mtmd.mtmd_helper_eval_chunk_single(
            self.pointer,
            context,
            chunk,
            past,
            sequence,
            lc.llama_n_batch(context),
            False,  # logits: mtmd gives none for images
            ctypes.byref(after),
        )
        return int(after.value) if status == 0 else None


def _bitmap(image: Image.Image) -> Any:
    data = image.tobytes()
    pixels = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
    return mtmd.mtmd_bitmap_init(image.width, image.height, pixels)


def _prompt(chunks: Chunks, decoded: Sequence[Image.Image]) -> Prompt:
    prompt = Prompt([], owner=chunks)
    for chunk in chunks:
        count = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
            length = ctypes.c_size_t()
            tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(length))
            prompt.tokens += tokens[: length.value]
        else:
            prompt.images[len(prompt.tokens)] = Picture(chunk, count)
            prompt.tokens += [0] * count
    hashes = _hashes(decoded, len(prompt.images))
    for (start, image), digest in zip(prompt.images.items(), hashes, strict=True):
        base = int.from_bytes(digest[:6], sys.byteorder) << 16
        prompt.tokens[start : start + image.tokens] = range(-1 - base, -1 - base - image.tokens, -1)
    return prompt


def _hashes(decoded: Sequence[Image.Image], parts: int) -> list[bytes]:
    """A hash for each part of the prompt that is no text. A model that cuts images into tiles makes
    several of one image, and then the hash is that of all images and the part's number."""
    hashes = [hashlib.sha256(repr(im.size).encode() + im.tobytes()).digest() for im in decoded]
    if parts == len(hashes):
        return hashes
    whole = b"".join(hashes)
    return [hashlib.sha256(whole + i.to_bytes(4, sys.byteorder)).digest() for i in range(parts)]
