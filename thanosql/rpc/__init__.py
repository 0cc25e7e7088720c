"""How this product speaks gRPC: channels, servers, statuses."""
