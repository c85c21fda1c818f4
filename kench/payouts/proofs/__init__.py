"""Proofs: signed manifests of what blocks paid, and what each participant can check by itself."""
