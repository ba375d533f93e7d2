"""A real PostgreSQL for the processes of a cluster."""

from tests.storage.conftest import postgresql

__all__ = ["postgresql"]
