"""The `kench` command (a placeholder until its own commit)."""


def main() -> None:
    """Run `kench`."""
