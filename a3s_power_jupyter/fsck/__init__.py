"""Check the model store and repair it: ``jupyter power fsck``."""
