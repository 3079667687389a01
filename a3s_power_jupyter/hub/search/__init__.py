"""Search the hub, and look into its repositories, in a process that runs while it is used."""
