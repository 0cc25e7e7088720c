"""Tables: read, copied into, changed."""
