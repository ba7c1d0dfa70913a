"""How the service holds under load: answers, latency, speed, memory, floods, dying replicas."""
