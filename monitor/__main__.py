"""`python -m monitor` is `wirewatch`."""

from monitor.cli import program

program()
