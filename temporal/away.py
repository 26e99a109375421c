"""The errors by which Temporal is away; who meets one goes on without it, or says so."""

from temporalio.service import RPCError

# RuntimeError is the SDK's word for a lazy client that cannot open its first connection.
TEMPORAL_AWAY = (RPCError, RuntimeError, TimeoutError)
