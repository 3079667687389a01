"""GGUF models on llama.cpp, through the low-level API of llama-cpp-python."""

from .engine import LlamaCppEngine

__all__ = ["LlamaCppEngine"]
