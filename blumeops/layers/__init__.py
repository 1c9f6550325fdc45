"""The three layers, each a translation of one engine's words into plans and results."""
