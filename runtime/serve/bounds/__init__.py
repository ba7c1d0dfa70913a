"""Limits on requests and clients: addresses, headers, bodies, connections, keys, hosts."""
