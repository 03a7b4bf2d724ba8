"""The command line, the only place that prints. It begins in `program`; each command has a module of its name.

Results go to stdout, logs and progress to stderr. What several commands need is in `shared`.
"""
