"""A whole world on one machine: simulated exchanges, AWS and Redis. Production code never imports it."""
