"""The command `botctl`: a client of the HTTP API, as promtool and amtool are; it knows nothing of the server inside."""
