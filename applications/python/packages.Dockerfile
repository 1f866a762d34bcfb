# The packages of a Python server. The context is the directory of its lock files.
ARG BASE_IMAGE
ARG BOOTSTRAP_IMAGE
FROM ${BOOTSTRAP_IMAGE} AS bootstrap

# The sources of bind mounts take no arguments.
FROM scratch AS lock
ARG LOCK
COPY ${LOCK} /requirements.txt

FROM ${BASE_IMAGE}

ARG PYTHON_INDEX=""
ARG PYTHON_EXTRA_INDEX=""
# The packages are installed beside the interpreter and not into /root/.local: the ML environment is mounted there and would
# hide them. uv does not get into the image.
RUN --mount=type=secret,id=ca-bundle \
    --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=bootstrap,source=/usr/local/bin/uv,target=/usr/local/bin/uv \
    --mount=type=bind,from=lock,source=/requirements.txt,target=/tmp/requirements.txt \
    if [ -s /run/secrets/ca-bundle ]; then export SSL_CERT_FILE=/run/secrets/ca-bundle; fi; \
    if [ -n "$PYTHON_INDEX" ]; then export UV_DEFAULT_INDEX="$PYTHON_INDEX"; fi; \
    if [ -n "$PYTHON_EXTRA_INDEX" ]; then export UV_INDEX="$PYTHON_EXTRA_INDEX"; fi; \
    set -e; \
    UV_LINK_MODE=copy uv pip install --quiet --system --break-system-packages --compile-bytecode \
      --no-deps --require-hashes --only-binary :all: --requirement /tmp/requirements.txt; \
    # Debian has no `python`, which scripts and health checks of servers call.
    command -v python >/dev/null || ln -s python3 /usr/local/bin/python; \
    # Python silently ignores the user site of a user that may not enter its home directory, so open it.
    chmod a+x /root

ENV PATH=/root/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
