"""Names that the starter of a workflow and its worker share; a change here is a new version."""

from temporalio.common import SearchAttributeKey

TRANSFERS_QUEUE = "payflow-transfers"

WEBHOOKS_QUEUE = "payflow-webhooks"

MAINTENANCE_QUEUE = "payflow-maintenance"

TRANSFER_WORKFLOW = "Transfer"
BATCH_WORKFLOW = "Batch"
DELIVERY_WORKFLOW = "WebhookDelivery"
PROOF_WORKFLOW = "Proof"

PROOF_SCHEDULE_ID = "payflow-proof"
PROOF_WORKFLOW_ID = "proof"  # the schedule adds the time

# an operator's verbs: what one sends from the Temporal UI, its CLI, or through our API
RETRY_UPDATE = "retry"
REFUND_UPDATE = "refund"
RESOLVE_UPDATE = "resolve"
PAUSE_UPDATE = "pause"
RESUME_UPDATE = "resume"
WAKE_SIGNAL = "wake"

# The type of the failure by which a workflow ends itself whose transfer or batch is not in the
# ledger, and its value of PayflowState.
NOT_IN_LEDGER = "NotInLedger"
UNKNOWN = "unknown"

NEEDS_ATTENTION = SearchAttributeKey.for_bool("PayflowNeedsAttention")
STATE = SearchAttributeKey.for_keyword("PayflowState")
FAILING_STEP = SearchAttributeKey.for_keyword("PayflowFailingStep")
SOURCE = SearchAttributeKey.for_keyword("PayflowSource")
DESTINATION = SearchAttributeKey.for_keyword("PayflowDestination")
CURRENCY = SearchAttributeKey.for_keyword("PayflowCurrency")
AMOUNT_BAND = SearchAttributeKey.for_keyword("PayflowAmountBand")

SEARCH_ATTRIBUTES = (
    NEEDS_ATTENTION,
    STATE,
    FAILING_STEP,
    SOURCE,
    DESTINATION,
    CURRENCY,
    AMOUNT_BAND,
)


def transfer_workflow_id(transfer_id: str) -> str:
    """The id of a transfer's workflow: one per transfer, whoever starts it and how often."""
    return f"transfer/{transfer_id}"


def batch_workflow_id(batch_id: str) -> str:
    """The id of a batch's workflow: one per batch, whoever starts it and how often."""
    return f"batch/{batch_id}"


def delivery_workflow_id(delivery_id: str) -> str:
    """The id of the workflow that carries a delivery on: one per event and endpoint."""
    return f"webhook/{delivery_id}"
