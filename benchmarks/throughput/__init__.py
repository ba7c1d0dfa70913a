"""Lines a second against a peer: the same model file, the same lines, processes of their own."""
