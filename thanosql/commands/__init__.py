"""The subcommands of `thanosql`, a module each: `add` describes its arguments, `run` carries it out.

The modules import what they need when they run, so that `thanosql --help` stays quick.
"""
