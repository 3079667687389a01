"""The engine for GGUF models, on the low-level API of llama-cpp-python."""

from .engine import LlamaCppEngine

__all__ = ["LlamaCppEngine"]
