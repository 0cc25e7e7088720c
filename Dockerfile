# The images of the services: `service` for catalog, query, inference and the gateway, `trainer` for the one with torch.
#
#   docker build --target service --tag thanosql-service .
#   docker build --target trainer --tag thanosql-trainer .
#
# Arguments:
#   PYTHON_IMAGE         what both stand on
#   DEVICE               cpu, or gpu: ONNX Runtime's build, and CUDA's libraries beside it
#   PIP_EXTRA_INDEX_URL  a further package index, such as PyTorch's of CPU builds: 5 GB less for a trainer without a GPU
#   PIP_FIND_LINKS       folder or page with packages
#   WITHOUT              packages that are left out; torchaudio, where the build of torch has none beside it (augmentation)
#   CONSTRAINTS          requirements that narrow the versions, with spaces between: "torch==2.13.0 numpy<2.4"
# docs/deploy.md tells how they are run.
ARG PYTHON_IMAGE=python:3.11-slim

# --- What both images stand on: no compiler, no pip, a user without rights.
FROM ${PYTHON_IMAGE} AS runtime
# The official image leaves the standard library uncompiled, and on a read-only root every process, each health check
# among them, would compile it anew.
RUN python -m compileall -q /usr/local/lib/python3.11 \
 && pip uninstall --yes --quiet --root-user-action ignore setuptools wheel pip; \
    groupadd --system --gid 10001 thanosql \
 && useradd --system --uid 10001 --gid thanosql --no-create-home --home-dir /var/lib/thanosql --shell /usr/sbin/nologin thanosql \
 && install --directory --owner thanosql --group thanosql /var/lib/thanosql /var/lib/thanosql/files \
    /var/lib/thanosql/files/default /var/lib/thanosql/state
ENV PATH=/opt/thanosql/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    HF_HOME=/var/lib/thanosql/state/hub \
    THANOSQL_HOST=0.0.0.0 \
    THANOSQL_LOG_FORMAT=json \
    THANOSQL_WORKSPACE=/var/lib/thanosql/files/default \
    THANOSQL_WORKSPACES=/var/lib/thanosql/files \
    THANOSQL_STATE=/var/lib/thanosql/state
WORKDIR /var/lib/thanosql
USER 10001:10001
EXPOSE 8470
STOPSIGNAL SIGTERM
ENTRYPOINT ["thanosql"]
CMD ["serve", "query"]
# Of the query service; compose.yaml names the others' ports.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["thanosql", "health", "127.0.0.1:8470"]
LABEL org.opencontainers.image.title="thanosql-speech" \
      org.opencontainers.image.description="Speech recognition through SQL" \
      org.opencontainers.image.licenses="Apache-2.0"

# --- Where packages are installed.
FROM ${PYTHON_IMAGE} AS build
ARG DEVICE=cpu
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_FIND_LINKS=
ARG CONSTRAINTS=
ARG WITHOUT=
# As variables, since an argument ends with its stage.
ENV DEVICE=${DEVICE} \
    WITHOUT=${WITHOUT} \
    PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL} \
    PIP_FIND_LINKS=${PIP_FIND_LINKS} \
    PIP_CONSTRAINT=/build/constraints.txt \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/thanosql && printf '%s\n' ${CONSTRAINTS} > constraints.txt

# --- What each image needs. The packages' layers follow from these lists alone, and stay while they stay.
FROM build AS requirements
COPY pyproject.toml deploy/image/requirements.py ./
RUN python requirements.py --device ${DEVICE} --without "${WITHOUT}" catalog postgres query inference gateway telemetry > service.txt \
 && python requirements.py --device ${DEVICE} --without "${WITHOUT}" trainer telemetry > trainer.txt

# --- The code alone: the layer that an upgrade brings.
FROM build AS code
COPY pyproject.toml README.md LICENSE ./
COPY tutorial_data tutorial_data
COPY trainer_service trainer_service
COPY inference_service inference_service
COPY catalog_service catalog_service
COPY query_service query_service
COPY thanosql thanosql
RUN pip --python /opt/thanosql/bin/python install --no-deps --prefix /code .

FROM build AS service-packages
COPY --from=requirements /build/service.txt ./
RUN pip --python /opt/thanosql/bin/python install --requirement service.txt \
 && find /opt/thanosql/lib -type d \( -name tests -o -name include \) -prune -exec rm -r {} +

FROM runtime AS service
COPY --from=service-packages /opt/thanosql /opt/thanosql
COPY --from=code /code /opt/thanosql

FROM build AS trainer-packages
COPY --from=requirements /build/trainer.txt ./
RUN pip --python /opt/thanosql/bin/python install --requirement trainer.txt \
 && find /opt/thanosql/lib -type d \( -name tests -o -name include \) -prune -exec rm -r {} +

FROM runtime AS trainer
COPY --from=trainer-packages /opt/thanosql /opt/thanosql
COPY --from=code /code /opt/thanosql
CMD ["serve", "trainer"]
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["thanosql", "health", "127.0.0.1:8472"]
