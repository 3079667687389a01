"""The persona Power for Jupyter AI, which finds it by its entry point (extra ``jupyter-ai``)."""
