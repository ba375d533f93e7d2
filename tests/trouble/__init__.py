"""Both platforms at once in one exporter, and everything that can be wrong with them: see deeds.py for the table."""
