"""From notes and runbook records to standard Markdown that any generator builds."""
