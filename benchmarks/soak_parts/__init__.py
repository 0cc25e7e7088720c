"""Parts of benchmarks/soak.py: the callers, and what watches the services meanwhile."""
