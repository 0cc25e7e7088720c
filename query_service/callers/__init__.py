"""Who calls: tokens, what they allow, how much of it at a time, and the log of what was done with them."""
