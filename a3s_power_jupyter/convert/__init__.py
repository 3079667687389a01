"""Convert safetensors chat models to quantized GGUF files, which are stored as blobs."""
