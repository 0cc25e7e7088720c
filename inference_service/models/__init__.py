"""The models of the store: which version is asked for, which are in memory, and how one gets there."""
