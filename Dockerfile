# The image: the binary and the load generator for `muster bench`, an empty data directory, nobody's rights. scripts/image-check runs these steps without Docker.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && mkdir -p out/data \
    && cp "${CARGO_TARGET_DIR:-target}/release/muster" "${CARGO_TARGET_DIR:-target}/release/loadtest" out/ \
    && strip out/muster out/loadtest \
    && cp /etc/ssl/certs/ca-certificates.crt out/ca-certificates.crt

FROM debian:bookworm-slim
COPY --from=build /src/out/muster /usr/local/bin/muster
COPY --from=build /src/out/loadtest /usr/local/bin/loadtest
# Whom HTTPS checks, webhooks and a Redis behind TLS trust; the base image has none.
COPY --from=build /src/out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /src/out/data /data
ENV MUSTER_HTTP_ADDR=0.0.0.0:8500
ENV MUSTER_DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8500
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["muster", "health"]
ENTRYPOINT ["muster"]
CMD ["agent"]
