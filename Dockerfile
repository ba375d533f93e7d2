# One image for everything: `docker run --rm -p 127.0.0.1:9977:9977 bot-exporter` shows the demo; docs/install.md goes on.
#
#   docker build -t bot-exporter .

# The version that the tests run on.
FROM python:3.11-slim-bookworm AS build

WORKDIR /src

COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/bot-exporter \
    && /opt/bot-exporter/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/run.txt

COPY pyproject.toml README.md LICENSE config.yaml ./
COPY alerts/ alerts/
COPY deploy/systemd/ deploy/systemd/
COPY exporter/ exporter/
RUN /opt/bot-exporter/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/bot-exporter/bin/python -m pip uninstall --yes setuptools pip \
    && install -d -m 0700 /var/lib/bot-exporter \
    && install -d -m 0755 /etc/bot-exporter \
    && install -m 0644 config.yaml /etc/bot-exporter/config.yaml

FROM python:3.11-slim-bookworm

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bot-exporter" \
      org.opencontainers.image.description="Runs fleets of game bots (racetime.gg, Dota 2) and makes them observable the Prometheus way." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"

COPY --from=build /opt/bot-exporter /opt/bot-exporter
COPY --from=build /etc/bot-exporter /etc/bot-exporter
COPY --from=build --chown=65532:65532 /var/lib/bot-exporter /var/lib/bot-exporter

ENV PATH=/opt/bot-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1

# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /var/lib/bot-exporter
VOLUME /var/lib/bot-exporter
EXPOSE 9977
STOPSIGNAL SIGTERM

# Liveness, not readiness: a bot that drains must not be killed in the middle of a lobby.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["bot-exporter", "--healthcheck", "--web.listen-address=:9977"]

# The address is every one of the container: what is published decides who can come in.
ENTRYPOINT ["bot-exporter", "--config.file=/etc/bot-exporter/config.yaml", "--data.dir=/var/lib/bot-exporter", "--web.listen-address=:9977"]
