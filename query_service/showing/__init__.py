"""What statements show: listings, and clips to play."""
