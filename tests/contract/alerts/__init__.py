"""The shipped rules and the shipped Alertmanager configuration, held against Prometheus' own tools."""
