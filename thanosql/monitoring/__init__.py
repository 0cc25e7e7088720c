"""What the services tell Prometheus: families of metrics, their page, and those that all services have."""
