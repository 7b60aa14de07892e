"""The audit of rules and model."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "call_risk_rate",
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
            "kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("answered_calls", sa.BigInteger(), nullable=False),
        sa.Column("at_risk_calls", sa.BigInteger(), nullable=False),
        sa.Column("high_risk_calls", sa.BigInteger(), nullable=False),
        sa.Column("published_rate", sa.Double(), nullable=False),
        sa.Column("published_high_rate", sa.Double(), nullable=False),
        sa.Column("corrected_rate", sa.Double(), nullable=True),
        sa.Column("corrected_low", sa.Double(), nullable=True),
        sa.Column("corrected_high", sa.Double(), nullable=True),
        sa.Column("verdicts_used", sa.BigInteger(), nullable=False),
        sa.Column("verdicts_tied", sa.BigInteger(), nullable=False),
        sa.Column("verdicts_outside", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "period_type", "period_key", "kind"),
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_call_risk_rate_partition", "call_risk_rate", ["period_type", "period_key"], unique=False
    )
    op.create_table(
        "call_risk_rate_history",
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
            "kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("answered_calls", sa.BigInteger(), nullable=False),
        sa.Column("at_risk_calls", sa.BigInteger(), nullable=False),
        sa.Column("high_risk_calls", sa.BigInteger(), nullable=False),
        sa.Column("published_rate", sa.Double(), nullable=False),
        sa.Column("published_high_rate", sa.Double(), nullable=False),
        sa.Column("corrected_rate", sa.Double(), nullable=True),
        sa.Column("corrected_low", sa.Double(), nullable=True),
        sa.Column("corrected_high", sa.Double(), nullable=True),
        sa.Column("verdicts_used", sa.BigInteger(), nullable=False),
        sa.Column("verdicts_tied", sa.BigInteger(), nullable=False),
        sa.Column("verdicts_outside", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known_from", sa.DateTime(), nullable=False),
        sa.Column("known_until", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "period_type", "period_key", "kind", "version"),
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_call_risk_rate_history_partition",
        "call_risk_rate_history",
        ["period_type", "period_key", "version"],
        unique=False,
    )
    op.create_table(
        "llm_review_queue",
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
            "kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("call_date", sa.Date(), nullable=False),
        sa.Column(
            "callid", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=True),
        sa.Column("rules_risk", sa.Text(), nullable=True),
        sa.Column("model_risk", sa.Text(), nullable=True),
        sa.Column("inclusion_probability", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "period_type", "period_key", "kind", "call_date", "callid"
        ),
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_llm_review_queue_partition",
        "llm_review_queue",
        ["period_type", "period_key"],
        unique=False,
    )
    op.create_table(
        "llm_rule_audit",
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
            "kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "keyword", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("both_calls", sa.BigInteger(), nullable=False),
        sa.Column("rules_only_calls", sa.BigInteger(), nullable=False),
        sa.Column("model_only_calls", sa.BigInteger(), nullable=False),
        sa.Column("neither_calls", sa.BigInteger(), nullable=False),
        sa.Column("agreement_rate", sa.Double(), nullable=False),
        sa.Column("kappa", sa.Double(), nullable=True),
        sa.Column("weighted_kappa", sa.Double(), nullable=True),
        sa.Column("reviewed_calls", sa.BigInteger(), nullable=False),
        sa.Column("rules_precision", sa.Double(), nullable=True),
        sa.Column("rules_recall", sa.Double(), nullable=True),
        sa.Column("model_precision", sa.Double(), nullable=True),
        sa.Column("model_recall", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "period_type", "period_key", "kind", "keyword"),
        postgresql_partition_by='RANGE ("period_key")',
    )
    op.create_index(
        "ix_llm_rule_audit_partition", "llm_rule_audit", ["period_type", "period_key"], unique=False
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_llm_rule_audit_partition", table_name="llm_rule_audit")
    op.drop_table("llm_rule_audit")
    op.drop_index("ix_llm_review_queue_partition", table_name="llm_review_queue")
    op.drop_table("llm_review_queue")
    op.drop_index("ix_call_risk_rate_history_partition", table_name="call_risk_rate_history")
    op.drop_table("call_risk_rate_history")
    op.drop_index("ix_call_risk_rate_partition", table_name="call_risk_rate")
    op.drop_table("call_risk_rate")
