"""What statements did, counted once; what Prometheus and the traces are told of them."""
