"""What a server counts, in Prometheus' text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from verifiers.interface.scoring import Spend

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counters of one server.

    >>> metrics = Metrics()
    >>> metrics.answered(200, 1.5)
    >>> [line for line in metrics.text().decode().splitlines() if line.startswith("stepbeam_requests_total")]
    ['stepbeam_requests_total{status="200"} 1.0']
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("stepbeam_requests", "Requests answered", ["status"], registry=self._registry)
        self._seconds = Histogram(
            "stepbeam_request_seconds", "Seconds of a request", buckets=_SECONDS, registry=self._registry
        )
        self._tokens = Counter("stepbeam_tokens", "Tokens spent", ["kind"], registry=self._registry)
        self.running = Gauge("stepbeam_running", "Searches under way", registry=self._registry)
        self.waiting = Gauge("stepbeam_waiting", "Requests waiting for their turn", registry=self._registry)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request; 499 is one whose client hung up."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def spent(self, spend: Spend) -> None:
        """Count what a search cost, as far as it is known."""
        for kind, tokens in (
            ("prompt", spend.prompt_tokens + spend.cached_prompt_tokens),
            ("sampled", spend.sampled_tokens),
            ("scored", spend.scored_tokens + spend.judged_tokens),
        ):
            if tokens >= 0:  # which unknown is not
                self._tokens.labels(kind).inc(tokens)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
