"""A policy's rules against a run's measures: pass, fail or inconclusive. Pure."""
