"""From a reference to the list of files it names."""
