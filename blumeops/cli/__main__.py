"""`python -m blumeops.cli` is `blumeops`."""

from blumeops.cli import main

main()
