"""Safetensors chat models as GGUF: converted once, quantized, proved, and kept as a blob."""
