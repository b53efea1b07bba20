# boxbridge in a slim image:          docker build -t boxbridge .          (BuildKit: Docker 23, or DOCKER_BUILDKIT=1 before it)
# The binary and the Debian package:  docker build --target package --output dist .
# arm64 is built on an arm64 machine (`docker build`, as above) or slowly by emulation (`docker buildx build --platform linux/arm64 .`);
# nothing here cross-compiles (how to: CONTRIBUTING.md), since foreign compilers and libraries would be most of this file.

FROM rust:1.95.0-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev dpkg-dev xz-utils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG TARGETARCH
# The caches keep compiled dependencies on this machine from one build to the next, without a layer for them. All checkouts share
# them, and cargo goes by the time of a file: what is ours counts as new.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=boxbridge-target-${TARGETARCH},sharing=locked \
    find src crates config -type f -exec touch {} + \
    && cargo build --locked --profile dist --bin boxbridge \
    && cp target/dist/boxbridge /usr/local/bin/

FROM build AS deb
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked --no-default-features --version 3.8.0 cargo-deb
RUN mkdir -p target/dist \
    && cp /usr/local/bin/boxbridge target/dist/ \
    && cargo deb --no-build --profile dist --output /dist/ \
    && cp /usr/local/bin/boxbridge /dist/

FROM scratch AS package
COPY --from=deb /dist/ /

FROM debian:bookworm-slim
# Debian's security fixes come with every build: no version is pinned but the release's.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 boxbridge \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/boxbridge --shell /usr/sbin/nologin boxbridge \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/boxbridge
COPY --from=build /usr/local/bin/boxbridge /usr/local/bin/

# By environment, so that the health check knows them too: a file does not change these, and --set would mislead it.
# Nobody outside a container reaches its loopback. Publish 9529 on 127.0.0.1 only: -p 9528:9528 -p 127.0.0.1:9529:9529
# Pictures: -p 9530:9530, and BOXBRIDGE_SEND__STORE__LINKS__URL says how people reach it.
ENV BOXBRIDGE_DATA_DIR=/var/lib/boxbridge \
    BOXBRIDGE_ADMIN__LISTEN=0.0.0.0:9529 \
    BOXBRIDGE_SEND__STORE__LINKS__LISTEN=0.0.0.0:9530
USER 10001:10001
WORKDIR /var/lib/boxbridge
VOLUME /var/lib/boxbridge
EXPOSE 9528 9529 9530
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["boxbridge", "status"]
ENTRYPOINT ["boxbridge"]

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="boxbridge" \
      org.opencontainers.image.description="Takes face-match events from AI boxes over HTTP, durably, and delivers them to MQTT, Kafka and object storage" \
      org.opencontainers.image.source="https://github.com/boxbridge/boxbridge" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
