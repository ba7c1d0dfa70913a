"""How long one batch takes: every shape, every engine that is here, cold and steady."""
