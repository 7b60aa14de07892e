"""The tables that a language model's calls leave in the warehouse's database.

Belongs here: their columns, keys and indexes. Must not: statements.
"""

from dataclasses import dataclass, field

import sqlalchemy as sa


@dataclass(frozen=True)
class ModelTables:
    """Answers, attempts, pace and batches, described in the warehouse's `metadata`."""

    metadata: sa.MetaData
    answers: sa.Table = field(init=False)
    attempts: sa.Table = field(init=False)
    endpoints: sa.Table = field(init=False)
    starts: sa.Table = field(init=False)
    batches: sa.Table = field(init=False)
    batch_items: sa.Table = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", _answers(self.metadata))
        object.__setattr__(self, "attempts", _attempts(self.metadata))
        object.__setattr__(self, "endpoints", _endpoints(self.metadata))
        object.__setattr__(self, "starts", _starts(self.metadata))
        object.__setattr__(self, "batches", _batches(self.metadata))
        object.__setattr__(self, "batch_items", _batch_items(self.metadata))

    @property
    def all(self) -> list[sa.Table]:
        """Every one of them."""
        return [
            self.answers,
            self.attempts,
            self.endpoints,
            self.starts,
            self.batches,
            self.batch_items,
        ]


def _answers(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "llm_answer",
        metadata,
        sa.Column(
            "key",
            sa.Text,
            primary_key=True,
            comment="Digest of prompt version, model, endpoint and redacted dialogue.",
        ),
        sa.Column("prompt_version", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("dialogue_hash", sa.Text, nullable=False, comment="Of the redacted dialogue."),
        sa.Column("outcome", sa.Text, nullable=False, comment="answered or refused."),
        sa.Column("answer", sa.Text, comment="JSON as validated; null: refused."),
        sa.Column("error", sa.Text, comment="Why it was refused."),
        sa.Column("prompt_tokens", sa.BigInteger, comment="Null: the endpoint did not say."),
        sa.Column("completion_tokens", sa.BigInteger, comment="Null: the endpoint did not say."),
        sa.Column("analyzed_at", sa.DateTime, nullable=False, comment="UTC."),
        comment="The model's final answers: what was asked once is not paid for again.",
    )


def _attempts(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "llm_attempt",
        metadata,
        sa.Column("attempt_id", sa.Text, primary_key=True),
        sa.Column("answer_key", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("partition", sa.Text, nullable=False, comment="Day of the call."),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False, comment="live or batch."),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt_version", sa.Text, nullable=False),
        sa.Column("structured_output", sa.Text, nullable=False, comment="How JSON was demanded."),
        sa.Column("number", sa.BigInteger, nullable=False, comment="1: the first for this call."),
        sa.Column("opened_at", sa.DateTime, nullable=False, comment="UTC; before it was sent."),
        sa.Column("outcome", sa.Text, comment="Null: unknown, nobody lived to see the end."),
        sa.Column("http_status", sa.BigInteger, comment="Null: there was no reply."),
        sa.Column("prompt_tokens", sa.BigInteger, comment="Null: the endpoint did not say."),
        sa.Column("completion_tokens", sa.BigInteger, comment="Null: the endpoint did not say."),
        sa.Column("cost_micros", sa.BigInteger, comment="Millionths; null: price or use unknown."),
        sa.Column("currency", sa.Text, comment="Of the cost."),
        sa.Column("latency_ms", sa.BigInteger),
        sa.Column("request_id", sa.Text, comment="The endpoint's own."),
        sa.Column("error", sa.Text),
        sa.Column("closed_at", sa.DateTime, comment="UTC."),
        sa.Index("ix_llm_attempt_partition", "partition", "tenant_id"),
        comment="Every HTTP request to a language model, opened before it is sent.",
    )


def _endpoints(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "llm_endpoint",
        metadata,
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("mode", sa.Text, comment="Structured output that works; null: not yet known."),
        sa.Column("mode_at", sa.DateTime, comment="UTC."),
        sa.Column("held_until", sa.Double, comment="Epoch seconds; nobody starts before."),
        comment="What is known of each model at each endpoint; its row is the lock of its pace.",
    )


def _starts(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "llm_start",
        metadata,
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column(
            "slot",
            sa.BigInteger,
            primary_key=True,
            autoincrement=False,
            comment="Quarters of a second since the epoch.",
        ),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        comment="Requests that start in each slot of the last minute, and reserved ones.",
    )


def _batches(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "llm_batch",
        metadata,
        sa.Column("batch_id", sa.Text, primary_key=True, comment="Ours; the endpoint is told it."),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt_version", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False, comment="How JSON was demanded."),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("partitions", sa.Text, nullable=False, comment="JSON: days of the calls."),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column(
            "status",
            sa.Text,
            nullable=False,
            comment="preparing, uploaded, submitted, then collected or failed.",
        ),
        sa.Column("opened_at", sa.DateTime, nullable=False, comment="UTC; before the upload."),
        sa.Column("input_file", sa.Text, comment="The endpoint's name of what was uploaded."),
        sa.Column("provider_id", sa.Text, comment="The endpoint's name of the batch."),
        sa.Column("provider_status", sa.Text, comment="As the endpoint said last."),
        sa.Column("submitted_at", sa.DateTime, comment="UTC."),
        sa.Column("checked_at", sa.DateTime, comment="UTC; when the endpoint was asked last."),
        sa.Column("output_file", sa.Text, comment="The endpoint's name of the results."),
        sa.Column("error_file", sa.Text, comment="The endpoint's name of failed requests."),
        sa.Column("closed_at", sa.DateTime, comment="UTC."),
        sa.Column("error", sa.Text),
        comment="Batches of requests that an endpoint answers within a day.",
    )


def _batch_items(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "llm_batch_item",
        metadata,
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("custom_id", sa.Text, primary_key=True, comment="Key of the answer."),
        sa.Column("attempt_id", sa.Text, nullable=False, comment="Its row in llm_attempt."),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("partition", sa.Text, nullable=False, comment="Day of the call."),
        sa.Column("dialogue_hash", sa.Text, nullable=False),
        sa.Index("ix_llm_batch_item_custom_id", "custom_id"),
        comment="The requests of each batch.",
    )
