"""Run child processes of the notebook server and exchange messages with them."""
