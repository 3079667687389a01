"""Use the models of a shared store beside one's own (see docs/scaling.md)."""

c = get_config()  # noqa: F821 - Jupyter defines it

c.PowerApp.shared_homes = ["/srv/power"]
