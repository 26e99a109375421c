"""What of observability is off until somebody asks for it."""

from api.tracing import traced
from payflow.observability.traces import Untraced, open_traces
from payflow.settings import Settings


def test_empty_is_off() -> None:
    settings = Settings(metrics_port="", otlp_endpoint="", codec_keys="")

    assert settings.metrics_port is None
    assert settings.codec_keys is None
    assert isinstance(open_traces(settings, "worker"), Untraced)
    assert traced(settings)["tracing"] is False


def test_an_untraced_process_has_nothing_to_say_of_traces() -> None:
    traces = Untraced()
    with traces.group(["00-1-1-01"]):
        assert (traces.traceparent(), traces.ids()) == (None, {})
    traces.close()


def test_a_probe_has_no_span() -> None:
    exclude = traced(Settings())["exclude"]

    assert exclude is not None
    assert exclude({"path": "/health/ready"})
    assert exclude({"path": "/metrics"})
    assert not exclude({"path": "/v1/transfers"})
