"""Models from the Hugging Face Hub: references, listings, downloads, pulls."""
