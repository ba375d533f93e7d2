"""The dashboards as code: what they ask is here, and `make docs` writes what Grafana loads to dashboards/*.json."""
