"""Whether Temporal answers: a part of readiness."""

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from temporal.sagas import TemporalSagas


class TemporalProbe:
    """Asks Temporal for our namespace: what readiness is made of."""

    name = "temporal"

    def __init__(self, sagas: TemporalSagas) -> None:
        self._sagas = sagas

    async def check(self) -> None:
        """Return when the frontend answered."""
        client = self._sagas.client
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
