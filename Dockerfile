# The images of Angarium: one target per service.
#
#   docker build --target gateway -t angarium/gateway:0.2.0 .        (gateway, deliverer or operator)
#
# For a release, pin the base by digest: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:…
# Dependencies are pinned with their hashes in requirements/. Where packages come from is pip's own configuration.
# Each image holds Python, one virtual environment without pip, and nothing to build with; it writes nothing at run time.
ARG PYTHON_IMAGE=python:3.13-slim

# Our own wheel, by a build backend that is pinned as well.
FROM ${PYTHON_IMAGE} AS wheel
RUN python -m venv /build
COPY requirements/build.txt /build/
RUN /build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /build/build.txt
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY operator operator
COPY gateway gateway
COPY deliverer deliverer
COPY cli cli
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel .

# What each service depends on: a layer that changes only with its requirements.
FROM ${PYTHON_IMAGE} AS venv
RUN python -m venv --without-pip /opt/angarium
# Bytecode is checked by nobody at run time (unchecked-hash): the files can't change, and copying may touch their times.
RUN printf '%s\n' '#!/bin/sh' 'set -eu' \
      'python -m pip --python /opt/angarium/bin/python install --no-cache-dir --no-compile "$@"' \
      'python -m compileall -q --invalidation-mode unchecked-hash /opt/angarium/lib' \
      > /usr/local/bin/into-venv && chmod 755 /usr/local/bin/into-venv

FROM venv AS gateway-venv
COPY requirements/gateway.txt /tmp/requirements.txt
RUN into-venv --require-hashes --only-binary :all: -r /tmp/requirements.txt
COPY --from=wheel /wheel /wheel
RUN into-venv --no-deps --no-index /wheel/*.whl

FROM venv AS deliverer-venv
COPY requirements/deliverer.txt /tmp/requirements.txt
RUN into-venv --require-hashes --only-binary :all: -r /tmp/requirements.txt
COPY --from=wheel /wheel /wheel
RUN into-venv --no-deps --no-index /wheel/*.whl

FROM venv AS operator-venv
COPY requirements/operator.txt /tmp/requirements.txt
RUN into-venv --require-hashes --only-binary :all: -r /tmp/requirements.txt
COPY --from=wheel /wheel /wheel
RUN into-venv --no-deps --no-index /wheel/*.whl

FROM ${PYTHON_IMAGE} AS runtime
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Angarium" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}"
# USER: libraries ask for a name (kopf does), and no number need be in /etc/passwd.
ENV PATH=/opt/angarium/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/nonexistent \
    USER=angarium
WORKDIR /
# A number, so that Kubernetes can tell that it isn't root.
USER 65532:65532

# Exec form: the process is number 1 and gets SIGTERM itself; it starts no other processes that it would have to reap.
FROM runtime AS gateway
LABEL org.opencontainers.image.title="angarium-gateway" \
      org.opencontainers.image.description="Accepts notifications over HTTP and stores them with all their deliveries"
COPY --from=gateway-venv /opt/angarium /opt/angarium
EXPOSE 8480 9480
ENTRYPOINT ["angarium-gateway"]

FROM runtime AS deliverer
LABEL org.opencontainers.image.title="angarium-deliverer" \
      org.opencontainers.image.description="Delivers what the gateway accepted, as signed webhooks, and retries"
COPY --from=deliverer-venv /opt/angarium /opt/angarium
EXPOSE 9481
ENTRYPOINT ["angarium-deliverer"]

FROM runtime AS operator
LABEL org.opencontainers.image.title="angarium-operator" \
      org.opencontainers.image.description="Turns Products, Organizations and Callbacks into keys, Secrets and config records"
COPY --from=operator-venv /opt/angarium /opt/angarium
EXPOSE 9482
ENTRYPOINT ["angarium-operator"]
