"""The service map: what runs, where, how it is reached, watched, kept and shown; read from the repository."""
