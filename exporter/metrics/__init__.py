"""What Prometheus reads: every sample is written once, kept, and written again only when it changes.

    catalogue    every metric there is: name, type, labels, meaning
    counters     a subscriber of the store: how often things happened
    gathered     what the race rooms and lobbies add up to, by one difference at a time
    figures      pure: what is known of a bot or a category -> the rows of each of its families
    values       pure: the rows of the families that are about the process and the fleet as a whole
    lines        how a sample is spelled
    own          the latter as text
    columns      the written samples of one family, one fragment a bot, joined in blocks; bots share what they can
    fleet        a subscriber of the store: what has changed, and writing just that
    process      prometheus_client's own metrics about the process and Python
    exposition   a page: negotiated, shared by those who wait for it, put together from columns
    negotiation  which form of the page a client gets

A change marks its bot, race or lobby, which takes a fraction of a microsecond. A scrape looks at the marked ones only,
compares the fields that metrics are made of, and writes again those fragments whose fields are others. A fragment makes
its block stale: it is joined again, and compressed again if somebody takes gzip. All other blocks are used as they are,
in both formats, which differ in headers only. So a scrape costs what has changed since the last one, and a look at the
message counts of each bot, which sockets count without telling.

All of it happens on the event loop, in slices of a millisecond, so that no bot's heartbeat waits for a scrape. The
samples of one bot are of one moment; what happens to another bot while a page is made may be on that page or on the
next.
"""
