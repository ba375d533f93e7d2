"""What outlives the process: the history, what is remembered of bots, and orders.

On the event loop changes become items and rows in a queue; one thread writes them to the database.

    Change -> history (pure) -> backlog -> writer ─ thread ─> database -> SQLite or PostgreSQL
    order  -> orders ──────────────────────^
    /status/.../history -> pages -> recent (memory) and reader -> SQLite or PostgreSQL
"""
