"""Takes files from outside into the workspace: `rules` decides what is taken, the rest touches the disk."""
