"""`python -m coldstart`."""

from coldstart.cli.main import main

main(prog_name="coldstart")
