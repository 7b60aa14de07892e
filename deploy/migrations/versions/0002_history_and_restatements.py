"""History and restatements."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "partition_version_history",
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("known_from", sa.DateTime(), nullable=False),
        sa.Column("known_until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("asset", "partition", "version"),
    )
    op.execute(
        "INSERT INTO partition_version_history (asset, partition, version, rows, content_hash, "
        "fingerprint, run_id, known_from) SELECT asset, partition, version, rows, content_hash, "
        "fingerprint, run_id, committed_at FROM partition_version"
    )
    op.create_table(
        "restatement",
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("new_version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("old_version", sa.BigInteger(), nullable=False),
        sa.Column("old_hash", sa.Text(), nullable=False),
        sa.Column("new_hash", sa.Text(), nullable=False),
        sa.Column("old_rows", sa.BigInteger(), nullable=False),
        sa.Column("new_rows", sa.BigInteger(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("restated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("asset", "partition", "new_version"),
    )
    op.create_index("ix_restatement_restated_at", "restatement", ["restated_at"], unique=False)
    op.create_table(
        "task_portrait_summary_history",
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
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known_from", sa.DateTime(), nullable=False),
        sa.Column("known_until", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "period_type", "period_key", "task_id", "version"),
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_task_portrait_summary_history_partition",
        "task_portrait_summary_history",
        ["period_type", "period_key", "version"],
        unique=False,
    )
    op.create_table(
        "user_portrait_snapshot_history",
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
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known_from", sa.DateTime(), nullable=False),
        sa.Column("known_until", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "period_type", "period_key", "customer_id", "task_id", "version"
        ),
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_user_portrait_snapshot_history_partition",
        "user_portrait_snapshot_history",
        ["period_type", "period_key", "version"],
        unique=False,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index(
        "ix_user_portrait_snapshot_history_partition", table_name="user_portrait_snapshot_history"
    )
    op.drop_table("user_portrait_snapshot_history")
    op.drop_index(
        "ix_task_portrait_summary_history_partition", table_name="task_portrait_summary_history"
    )
    op.drop_table("task_portrait_summary_history")
    op.drop_index("ix_restatement_restated_at", table_name="restatement")
    op.drop_table("restatement")
    op.drop_table("partition_version_history")
