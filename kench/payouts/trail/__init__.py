"""The trail as evidence: sealed into a chain, anchored by the pool's key, checked."""
