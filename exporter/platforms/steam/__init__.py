"""What every Steam game of this program stands on: connection, logon, tokens. No bot of its own."""
