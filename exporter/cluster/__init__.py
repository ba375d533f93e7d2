"""One fleet over several processes: who is there, and which of them runs which bot.

The database has the truth, and its clock is the only one that counts. Nothing here is built where one process runs the
fleet alone.
"""
