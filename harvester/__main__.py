"""`python -m harvester`: the command line."""

from harvester.cli.program import main

main(prog_name="harvester")
