"""Find models that other programs have downloaded to this machine."""
