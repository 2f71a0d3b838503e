# syntax=docker/dockerfile:1

FROM golang:1.26-bookworm AS build
ENV GOMODCACHE=/cache/modules GOCACHE=/cache/build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/cache go mod download
COPY . .
# As `make build`: one static binary that carries its time zones.
RUN --mount=type=cache,target=/cache \
    CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags '-s -w' -o /image/handover ./cmd/handover \
    && install -d -m 1777 /image/tmp \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /image/ /
# Nobody in particular, and not root.
USER 65532:65532
EXPOSE 8080
# Within a container the loopback default would be reached by nobody.
ENV HANDOVER_ADDR=0.0.0.0:8080
ENTRYPOINT ["/handover"]
CMD ["serve"]
