"""Twenty healthy sagas and three broken ones, for tests and for pictures of Temporal's UI."""
