"""How fast, how accurate, compared with what, on which machine."""
