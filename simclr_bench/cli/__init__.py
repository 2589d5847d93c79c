"""The command line: reads arguments, calls the other packages, turns errors into exit codes."""
