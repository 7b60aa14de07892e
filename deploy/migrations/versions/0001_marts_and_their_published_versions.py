"""Marts and their published versions.

Tables that an installation made before there were migrations are taken over.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "call_record_enriched",
        sa.Column(
            "tenant_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("call_date", sa.Date(), nullable=False),
        sa.Column(
            "callid", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("called_at", sa.DateTime(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("talk_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_connected", sa.Boolean(), nullable=False),
        sa.Column("rounds", sa.BigInteger(), nullable=True),
        sa.Column("intention_level", sa.Text(), nullable=True),
        sa.Column("hangup_by", sa.Text(), nullable=False),
        sa.Column("sentiment", sa.Text(), nullable=True),
        sa.Column("sentiment_score", sa.Double(), nullable=True),
        sa.Column("complaint_risk", sa.Text(), nullable=True),
        sa.Column("churn_risk", sa.Text(), nullable=True),
        sa.Column("llm_analyzed_at", sa.DateTime(), nullable=True),
        sa.Column("risk_source", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "call_date", "callid"),
        if_not_exists=True,
        postgresql_partition_by='RANGE ("call_date")',
    )
    op.create_index(
        "ix_call_record_enriched_partition",
        "call_record_enriched",
        ["call_date"],
        unique=False,
        if_not_exists=True,
    )
    op.create_table(
        "partition_version",
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("write_id", sa.Text(), nullable=False),
        sa.Column("committed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("asset", "partition"),
        if_not_exists=True,
    )
    op.create_table(
        "task_portrait_summary",
        sa.Column(
            "tenant_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "period_type",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "period_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column(
            "task_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("task_name", sa.Text(), nullable=True),
        sa.Column("total_customers", sa.BigInteger(), nullable=False),
        sa.Column("total_calls", sa.BigInteger(), nullable=False),
        sa.Column("connected_calls", sa.BigInteger(), nullable=False),
        sa.Column("connect_rate", sa.Double(), nullable=False),
        sa.Column("avg_duration", sa.Double(), nullable=False),
        sa.Column("analysed_calls", sa.BigInteger(), nullable=False),
        sa.Column("satisfied_count", sa.BigInteger(), nullable=False),
        sa.Column("satisfied_rate", sa.Double(), nullable=True),
        sa.Column("neutral_count", sa.BigInteger(), nullable=False),
        sa.Column("unsatisfied_count", sa.BigInteger(), nullable=False),
        sa.Column("positive_call_rate", sa.Double(), nullable=True),
        sa.Column("high_complaint_customers", sa.BigInteger(), nullable=False),
        sa.Column("high_complaint_rate", sa.Double(), nullable=True),
        sa.Column("high_churn_customers", sa.BigInteger(), nullable=False),
        sa.Column("high_churn_rate", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "period_type", "period_key", "task_id"),
        if_not_exists=True,
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_task_portrait_summary_partition",
        "task_portrait_summary",
        ["period_type", "period_key"],
        unique=False,
        if_not_exists=True,
    )
    op.create_table(
        "user_portrait_snapshot",
        sa.Column(
            "tenant_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "period_type",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "period_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column(
            "customer_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "task_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("total_calls", sa.BigInteger(), nullable=False),
        sa.Column("connected_calls", sa.BigInteger(), nullable=False),
        sa.Column("connect_rate", sa.Double(), nullable=False),
        sa.Column("avg_duration", sa.Double(), nullable=False),
        sa.Column("avg_talk_duration", sa.Double(), nullable=True),
        sa.Column("total_duration", sa.Double(), nullable=False),
        sa.Column("avg_rounds", sa.Double(), nullable=True),
        sa.Column("analysed_calls", sa.BigInteger(), nullable=False),
        sa.Column("positive_count", sa.BigInteger(), nullable=False),
        sa.Column("neutral_count", sa.BigInteger(), nullable=False),
        sa.Column("negative_count", sa.BigInteger(), nullable=False),
        sa.Column("avg_sentiment_score", sa.Double(), nullable=True),
        sa.Column("high_complaint_risk", sa.BigInteger(), nullable=False),
        sa.Column("medium_complaint_risk", sa.BigInteger(), nullable=False),
        sa.Column("low_complaint_risk", sa.BigInteger(), nullable=False),
        sa.Column("high_churn_risk", sa.BigInteger(), nullable=False),
        sa.Column("medium_churn_risk", sa.BigInteger(), nullable=False),
        sa.Column("low_churn_risk", sa.BigInteger(), nullable=False),
        sa.Column("intention_a", sa.BigInteger(), nullable=False),
        sa.Column("intention_b", sa.BigInteger(), nullable=False),
        sa.Column("intention_c", sa.BigInteger(), nullable=False),
        sa.Column("intention_d", sa.BigInteger(), nullable=False),
        sa.Column("intention_e", sa.BigInteger(), nullable=False),
        sa.Column("intention_f", sa.BigInteger(), nullable=False),
        sa.Column("robot_hangup", sa.BigInteger(), nullable=False),
        sa.Column("customer_hangup", sa.BigInteger(), nullable=False),
        sa.Column("first_call", sa.DateTime(), nullable=False),
        sa.Column("last_call", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "period_type", "period_key", "customer_id", "task_id"),
        if_not_exists=True,
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_user_portrait_snapshot_partition",
        "user_portrait_snapshot",
        ["period_type", "period_key"],
        unique=False,
        if_not_exists=True,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_user_portrait_snapshot_partition", table_name="user_portrait_snapshot")
    op.drop_table("user_portrait_snapshot")
    op.drop_index("ix_task_portrait_summary_partition", table_name="task_portrait_summary")
    op.drop_table("task_portrait_summary")
    op.drop_table("partition_version")
    op.drop_index("ix_call_record_enriched_partition", table_name="call_record_enriched")
    op.drop_table("call_record_enriched")
