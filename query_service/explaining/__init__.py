"""EXPLAIN: what a plan would do, how much there is to do, and what would be refused; nothing is carried out."""
