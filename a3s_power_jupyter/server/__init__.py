"""The Jupyter Server extension and the ``jupyter power`` command."""
