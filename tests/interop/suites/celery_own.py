"""The tasks of Celery's integration tests as an app for Celery's own worker: celery -A celery_own worker."""

from celery import Celery
import services

app = Celery("canvas", broker=services.BROKER, backend=services.RESULTS, include=["t.integration.tasks"])
app.conf.update(enable_utc=True, timezone="UTC", worker_hijack_root_logger=False)
app.set_default()
