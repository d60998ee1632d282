"""The `sr` command: parses, calls one function, turns errors into exit codes. Nothing else decides an exit code."""
