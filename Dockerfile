# PayFlow in one image; the command says which process: serve, api, worker or relay.

# The newest Python that the tests run on, as `make install` takes it (docs/decisions/0030).
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/payflow
WORKDIR /build
COPY requirements.lock ./
RUN /opt/payflow/bin/python -m pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY payflow payflow
COPY temporal temporal
COPY activities activities
COPY workflows workflows
COPY api api
COPY workers workers
COPY cli cli
# What builds the wheel stays in this stage.
RUN python -m pip wheel --no-deps --wheel-dir wheels . \
 && /opt/payflow/bin/python -m pip install --no-deps --no-index wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home payflow \
 && install --directory --owner=payflow --group=payflow --mode=0700 /var/lib/payflow
COPY --from=build /opt/payflow /opt/payflow
ENV PATH=/opt/payflow/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PAYFLOW_ENV=production \
    PAYFLOW_API_HOST=0.0.0.0 \
    PAYFLOW_API_PORT=8000 \
    PAYFLOW_DATA_DIR=/var/lib/payflow
USER payflow
WORKDIR /var/lib/payflow
EXPOSE 8000
# Liveness only: a container is not killed because MongoDB is away.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "\
import http.client, os, sys\n\
door = http.client.HTTPConnection('127.0.0.1', int(os.environ['PAYFLOW_API_PORT']), timeout=2)\n\
door.request('GET', '/health/live')\n\
sys.exit(door.getresponse().status != 200)"]
ENTRYPOINT ["payflow"]
CMD ["serve"]
