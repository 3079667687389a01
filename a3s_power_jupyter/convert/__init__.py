"""Convert safetensors chat models to quantized GGUF files, which are kept as blobs."""
