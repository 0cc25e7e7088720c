"""The shell: statements typed at a prompt or read from a script, their results as tables or in other formats."""
