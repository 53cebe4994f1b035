# One image for every process: ingesters, Celery workers, beat, Flower. docker-compose.yml says which is which.
FROM python:3.12-slim AS build
RUN python -m venv /opt/booktape
ENV PATH=/opt/booktape/bin:$PATH
WORKDIR /app
COPY requirements/production.lock requirements/
RUN pip install --no-cache-dir --require-hashes --requirement requirements/production.lock
COPY pyproject.toml README.md LICENSE beat_schedule.py ./
COPY booktape booktape
COPY workers workers
COPY tasks tasks
COPY config config
# Editable: the package stays in /app, beside the application that its commands need.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . && python -m compileall -q .

FROM python:3.12-slim
# A volume that is mounted over these directories for the first time takes their owner.
RUN useradd --system --uid 10001 booktape && install --directory --owner booktape /data /spool
COPY --from=build /opt/booktape /opt/booktape
COPY --from=build /app /app
ENV PATH=/opt/booktape/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1
USER booktape
WORKDIR /data
CMD ["booktape", "--help"]
