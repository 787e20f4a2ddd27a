# docker build --build-arg TORCH=cuda -t scrubber .     (cpu is the default)
# docker run --rm -v "$PWD:/work" scrubber scan .

FROM python:3.11-slim-bookworm AS build
ARG TORCH=cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY scrubber ./scrubber
RUN python -m venv /opt/scrubber \
 && case "$TORCH" in \
      cpu) set -- --extra-index-url https://download.pytorch.org/whl/cpu ;; \
      cuda) set -- ;; \
      *) echo "TORCH must be cpu or cuda, not '$TORCH'" >&2; exit 1 ;; \
    esac \
 && /opt/scrubber/bin/pip install --no-cache-dir "$@" '.[all]'

# Nothing that builds comes along: no compiler, no sources, only the finished environment.
FROM python:3.11-slim-bookworm
COPY --from=build /opt/scrubber /opt/scrubber
RUN useradd --uid 1000 --create-home scrubber \
 && install --directory --owner=scrubber --group=scrubber /work
# Offline unless a run is told otherwise: docker run -e HF_HUB_OFFLINE=0 -e TRANSFORMERS_OFFLINE=0 ...
ENV PATH=/opt/scrubber/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    HF_HUB_OFFLINE=1 \
    TRANSFORMERS_OFFLINE=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=1
USER 1000:1000
WORKDIR /work
VOLUME /work
ENTRYPOINT ["scrubber"]
CMD ["--help"]
