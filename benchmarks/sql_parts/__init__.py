"""The measurements of benchmarks/sql.py, one file each; each has `measure(settings)`."""
