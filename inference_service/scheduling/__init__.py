"""Who is computed next, with whom, and who is let in: the rule, the queue, the threads."""
