# A mail server for development: `docker compose up`, or
#   docker build -t mailsuite . && docker run -p 127.0.0.1:2993:2993 … mailsuite
# The mail is in the volume /data; the server runs as a user without rights.

FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md ./
COPY mailsuite mailsuite
RUN python3 -m venv /opt/mailsuite \
 && /opt/mailsuite/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/mailsuite/bin/pip uninstall --yes pip

FROM python:3.11-slim
RUN useradd --system --no-create-home --home-dir /data --shell /usr/sbin/nologin mailsuite \
 && install --directory --owner=mailsuite --group=mailsuite --mode=0700 /data
COPY --from=build /opt/mailsuite /opt/mailsuite
ENV PATH=/opt/mailsuite/bin:$PATH PYTHONUNBUFFERED=1
USER mailsuite
WORKDIR /data
VOLUME /data
# SMTP, submission (STARTTLS, TLS), IMAP (STARTTLS, TLS), POP3 (STLS, TLS)
EXPOSE 2525 2587 2465 2143 2993 2110 2995
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
  CMD ["mailsuite", "status", "--data", "/data"]
ENTRYPOINT ["mailsuite"]
CMD ["dev", "--data", "/data", "--address", "0.0.0.0"]
