"""The live feed: what /status shows, and each change of it, over WebSockets and Server-Sent Events.

From the inside out: `log` knows what changed last, `filters` what a client wants of it, `frames` how it is written,
`hub` who gets what and when. They know no sockets. `feed` has the handlers, `outlet` the bytes on their way out,
`tickets` what lets a browser in. docs/feed.md is the contract with clients.
"""
