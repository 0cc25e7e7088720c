"""The users' tables: the store interface, its backends, and the files that COPY reads."""
