# Node is the version that package.json pins for development.
FROM node:24.21.0-bookworm-slim AS build
# sqlite3 is compiled where no prebuilt binary can be fetched.
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY events ./events
COPY projections ./projections
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24.21.0-bookworm-slim AS runtime
ENV NODE_ENV=production DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The source serves LIVE_RELOAD=true, which runs it in place of dist/.
COPY events ./events
COPY projections ./projections
COPY src ./src
COPY fixtures/bucket ./fixtures/bucket
COPY scripts/s3-sync scripts/container-entry scripts/load-samples.ts ./scripts/
RUN ln -s /app/scripts/s3-sync /usr/local/bin/s3-sync && mkdir /data .demo && chown node:node /data .demo
USER node
VOLUME /data
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["s3-sync", "status", "--json"]
ENTRYPOINT ["/app/scripts/container-entry"]
CMD ["daemon"]
