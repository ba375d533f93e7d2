"""Figures, never tests: what the program costs, beside what others do for the same work."""
