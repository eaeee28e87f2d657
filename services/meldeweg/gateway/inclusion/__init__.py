"""Does the audit log have what this gateway sent and received, with the same bytes? (I1, I2)

    following  reads manifests and checkpoints from the bus      → where to look, signed heads
    chaining   what a note means, given those before it (pure)
    fetching   tiles, from the audit service over HTTP
    proving    heads against each other, records against a head (pure)
    checking   the loop: moves the proven head forward, lets go of what was found
    lacking    what was not found: produced again, told to people

Guarantees: nothing here stands in a message's way: no message waits for the log, or is refused for
want of it. What is let go was in a log that this gateway's own key of trust (the anchor's
certificate) vouches for, and that extends every log it was shown before.
Trusts: the `audit` service key for which order counts; not the tiles, not the manifests, not the
broker.
"""
