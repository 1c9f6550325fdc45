"""The kernel: the processes in which a runbook's cells run.

    keeper ── owns the socket, the time limits, and the ending of every descendant
    └── shell ── IPython, the cells' variables, and the masking of all that they say
        └── whatever the cells start

`blumeops.runbooks.kernel` is the client's side. Nothing here is imported by it: both are scripts.
"""
