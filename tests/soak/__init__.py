"""The installed exporter with a large fleet, hours of trouble in minutes: `make soak`, and its short form as a test."""
