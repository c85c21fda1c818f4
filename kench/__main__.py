"""`python -m kench` is the `kench` command."""

from kench.cli import main

main()
