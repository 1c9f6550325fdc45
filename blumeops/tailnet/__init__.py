"""The tailnet's policy as pure code, and Tailscale's API over headscale for the sandbox."""
