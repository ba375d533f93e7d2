"""The control API: requests become orders, orders are written down, and answers say what the service confirmed."""
