"""Several processes with one fleet, over a real PostgreSQL."""
