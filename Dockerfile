# One small image with the three programs. Static binaries, not root.
#   docker build -t frostline .
#   docker run --rm frostline --help                          queryd
#   docker run --rm --entrypoint /usr/local/bin/archive frostline --help
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ENV CGO_ENABLED=0
RUN go build -trimpath -buildvcs=false -ldflags "-s -w -X frostline/internal/cli.Version=${VERSION}" -o /out/ \
    ./cmd/archive ./cmd/restore ./cmd/queryd

FROM alpine:3.22
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/ /usr/local/bin/
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/queryd"]
