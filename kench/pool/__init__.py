"""The domain: templates, jobs, shares, the journal, the register, nodes, settings."""
