"""``python -m pare.cli``."""

from pare.cli import main

main()
