"""Child processes of the notebook server and the messages on their pipes."""
