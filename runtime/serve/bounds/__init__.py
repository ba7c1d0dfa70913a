"""How much and who comes in: addresses, headers, bodies, connections, keys, hosts."""
