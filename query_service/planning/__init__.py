"""What a statement will do: its names checked against one snapshot, its steps decided, before anything runs."""
