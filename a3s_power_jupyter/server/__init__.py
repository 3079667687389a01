"""What Jupyter Server starts and configures."""
