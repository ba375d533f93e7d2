"""What is known about bots, lobbies and races: immutable records, facts, and the pure function between them.

Standard library only: no event loop, no clock, no logging. Times are Unix seconds (float) that come with the facts.
"""
