"""Runs fleets of game bots and makes them observable the Prometheus way."""
