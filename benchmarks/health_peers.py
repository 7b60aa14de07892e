"""The measures of customers as others would write them: plain DuckDB SQL.

Belongs here: what the platform's own expression is compared with; the same columns from the same
files. Must not: anything of the platform but its names and features.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from cs_assets.health.features import Features

_KEY = "tenant_id, customer_id"


def measures_sql(
    files: Mapping[str, Sequence[str]], as_ofs: Sequence[date], features: Features, first: date
) -> str:
    """Return the measures at the dates as one statement, date by date.

    `files` has those of customers, sales, support and activity; `first` is the first loaded day.
    """
    return "\nUNION ALL\n".join(f"({_at(files, day, features, first)})" for day in as_ofs)


def _at(files: Mapping[str, Sequence[str]], day: date, features: Features, first: date) -> str:
    as_of = f"DATE '{day}'"
    tables = {name: _parquet(found) for name, found in files.items()}

    def whole(days: int, value: str) -> str:
        return f"CASE WHEN {as_of} - {days - 1} >= DATE '{first}' THEN {value} END"

    rates = ", ".join(
        f"{whole(90, f'coalesce({tier}_used, 0)')} / {len(names)} AS {tier}_rate"
        for tier, names in features.tiers.items()
    )
    return f"""
        WITH RECURSIVE {_activity(tables["activity"], as_of, features)},
        {_support(tables["support"], as_of)}, {_deal_counts(tables["sales"], as_of)},
        {_deal_values(tables["sales"], as_of)}, customers AS (
            SELECT *, greatest((contract_date + to_months(contract_length_months::INTEGER))::DATE,
                deals_end) AS contract_end
            FROM {tables["customers"]} LEFT JOIN deal_values USING ({_KEY})
            WHERE snapshot_date = {as_of} AND contract_date <= {as_of}
        )
        SELECT {_KEY}, {as_of} AS as_of, customer_type,
            {whole(28, "coalesce(bit_count(login_bits), 0)")} AS login_days,
            {whole(28, "CASE WHEN coalesce(uses, 0) = 0 THEN 0 ELSE depth END")} AS depth,
            {whole(28, "coalesce(engaged_events, 0)")} AS engaged_events,
            coalesce(onboarding_steps, CASE WHEN contract_date >= DATE '{first}' THEN 0 END)
                AS onboarding_steps,
            {rates},
            {whole(90, "coalesce(tickets, 0)")} AS tickets,
            {whole(90, "coalesce(urgent_tickets, 0)")} AS urgent_tickets,
            {whole(1, "coalesce(open_tickets, 0)")} AS open_tickets,
            resolution_hours, csat, nps_score AS nps, payment_status,
            {whole(365, "coalesce(renewals, 0)")} AS renewals,
            {whole(365, "coalesce(losses, 0)")} AS losses,
            {whole(1, "coalesce(mrr, 0)")} AS mrr,
            {whole(91, "coalesce(mrr_90d_ago, 0)")} AS mrr_90d_ago,
            {whole(90, "CASE WHEN is_sla_known THEN coalesce(sla_breaches, 0) END")}
                AS sla_breaches,
            {whole(1, "coalesce(contract_value, 0)")} AS contract_value,
            ({as_of} - contract_date) / 30.4375 AS tenure_months,
            greatest(contract_end - {as_of}, 0) / 30.4375 AS remaining_months,
            {whole(365, "coalesce(contract_changes, 0)")} AS contract_changes,
            {as_of} - last_login AS days_since_login, oldest_urgent_open_days, contract_end
        FROM customers LEFT JOIN activity USING ({_KEY}) LEFT JOIN tickets USING ({_KEY})
            LEFT JOIN deal_counts USING ({_KEY}) LEFT JOIN sla USING (tenant_id)"""


def _parquet(files: Sequence[str]) -> str:
    names = ", ".join(f"'{file}'" for file in files)
    return f"read_parquet([{names}], hive_partitioning = true)"


def _activity(table: str, as_of: str, features: Features) -> str:
    """All of it in one pass: sets of days, features and steps are bits or flags."""
    names = [name for tier in features.tiers.values() for name in tier]
    used = ", ".join(
        f"bool_or(is_used AND feature_name = '{name}') AS used_{n}" for n, name in enumerate(names)
    )
    counted = ", ".join(
        " + ".join(f"coalesce(used_{names.index(name)}, false)::BIGINT" for name in tier)
        + f" AS {kind}_used"
        for kind, tier in features.tiers.items()
    )
    return f"""done AS (
            SELECT {_KEY},
                bit_or(1::BIGINT << least(age, 28))
                    FILTER (is_new AND activity_type = 'login') AS login_bits,
                count(*) FILTER (is_new AND activity_type = 'feature_use') AS uses,
                count(usage_depth) FILTER (is_new AND activity_type = 'feature_use') AS depths,
                sum((usage_depth * 1000000)::BIGINT)
                    FILTER (is_new AND activity_type = 'feature_use') AS depth_units,
                count(*) FILTER (is_new AND activity_type IN ('training', 'feedback'))
                    AS engaged_events,
                count(DISTINCT feature_name) FILTER (activity_type = 'onboarding') AS steps,
                max(activity_date) FILTER (activity_type = 'login') AS last_login, {used}
            FROM (
                SELECT *, {as_of} - activity_date AS age, activity_date > {as_of} - 28 AS is_new,
                    activity_date > {as_of} - 90 AND activity_type IN ('feature_use', 'api_call')
                        AS is_used
                FROM {table} WHERE activity_date <= {as_of}
            ) GROUP BY ALL
        ), activity AS (
            SELECT {_KEY}, login_bits, uses, engaged_events, nullif(steps, 0) AS onboarding_steps,
                depth_units / nullif(depths * 1000000, 0) AS depth, last_login, {counted}
            FROM done
        )"""


def _support(table: str, as_of: str) -> str:
    return f"""tickets AS (
            SELECT {_KEY}, count(*) FILTER (age < 90) AS tickets,
                count(*) FILTER (age < 90 AND priority = 'urgent') AS urgent_tickets,
                count(*) FILTER (NOT is_solved) AS open_tickets,
                median(CASE WHEN is_solved THEN coalesce((resolution_hours * 10000)::BIGINT,
                    (resolved_date - created_date) * 240000) ELSE age * 240000 END)
                    FILTER (NOT is_solved OR resolved_date > {as_of} - 90) / 10000
                    AS resolution_hours,
                sum(satisfaction_score) FILTER (is_solved AND resolved_date > {as_of} - 180)
                    / nullif(count(satisfaction_score)
                        FILTER (is_solved AND resolved_date > {as_of} - 180), 0) AS csat,
                count(*) FILTER (age < 90 AND NOT is_rewritten AND is_sla_missed) AS sla_breaches,
                bool_or(is_sla_missed IS NOT NULL AND NOT is_rewritten) AS is_known,
                max(age) FILTER (priority = 'urgent' AND NOT is_solved) AS oldest_urgent_open_days
            FROM (
                SELECT *, {as_of} - created_date AS age,
                    coalesce(resolved_date <= {as_of}, false) AS is_solved,
                    coalesce(resolved_date > {as_of}, false) AS is_rewritten
                FROM {table} WHERE created_date <= {as_of}
            ) GROUP BY ALL
        ), sla AS (SELECT tenant_id, bool_or(is_known) AS is_sla_known FROM tickets GROUP BY ALL)"""


def _deal_counts(table: str, as_of: str) -> str:
    order = (
        f"PARTITION BY {_KEY}, deal_stage = 'churned' "
        "ORDER BY deal_date, product_type, deal_amount, deal_stage"
    )
    return f"""deal_counts AS (
            SELECT {_KEY}, count(*) FILTER (deal_stage = 'renewed') AS renewals,
                count(*) FILTER (deal_stage = 'churned') AS losses,
                count(*) FILTER (is_changed) AS contract_changes
            FROM (
                SELECT *, deal_stage != 'churned' AND row_number() OVER earlier > 1
                    AND (product_type IS DISTINCT FROM lag(product_type) OVER earlier
                        OR deal_amount IS DISTINCT FROM lag(deal_amount) OVER earlier) AS is_changed
                FROM {table} WHERE deal_stage IN ('won', 'renewed', 'churned')
                WINDOW earlier AS ({order})
            ) WHERE deal_date BETWEEN {as_of} - 364 AND {as_of} GROUP BY ALL
        )"""


def _deal_values(table: str, as_of: str) -> str:
    """Follow renewals from deal to deal; no customer has two deals of a product on one day."""
    group = f"{_KEY}, product_type"
    end = (
        "CASE WHEN renewal_date > start THEN renewal_date "
        "ELSE (start + to_months(months::INTEGER))::DATE END"
    )

    def active(day: str) -> str:
        return f"start <= {day} AND {day} < end_date AND coalesce(churn_date > {day}, true)"

    return f"""deals AS (
            SELECT {group}, deal_date, deal_stage = 'renewed' AS is_renewal, deal_amount,
                contract_length_months AS months, renewal_date,
                row_number() OVER (PARTITION BY {group} ORDER BY deal_date) AS step
            FROM {table} WHERE deal_stage IN ('won', 'renewed') AND deal_date <= {as_of}
        ), lost AS (
            SELECT {group}, deal_date AS lost_on FROM {table}
            WHERE deal_stage = 'churned' AND deal_date <= {as_of}
        ), churns AS (
            SELECT deals.tenant_id, deals.customer_id, deals.product_type, step,
                min(lost_on) AS churn_date
            FROM deals JOIN lost ON deals.tenant_id = lost.tenant_id
                AND deals.customer_id = lost.customer_id AND lost_on > deal_date
                AND (lost.product_type IS NULL OR lost.product_type = deals.product_type)
            GROUP BY ALL
        ), known AS (SELECT * FROM deals LEFT JOIN churns USING ({group}, step)
        ), walk AS (
            SELECT *, NULL::DATE AS ended, deal_date AS start, {end} AS end_date, end_date AS latest
            FROM known WHERE step = 1
            UNION ALL
            SELECT *, {end} AS end_date, greatest(ended, end_date) AS latest FROM (
                SELECT *, CASE WHEN is_renewal THEN greatest(deal_date, ended) ELSE deal_date END
                    AS start
                FROM (
                    SELECT known.*, CASE WHEN walk.churn_date <= known.deal_date
                        THEN least(walk.latest, walk.churn_date) ELSE walk.latest END AS ended
                    FROM known JOIN walk ON known.tenant_id = walk.tenant_id
                        AND known.customer_id = walk.customer_id
                        AND known.product_type IS NOT DISTINCT FROM walk.product_type
                        AND known.step = walk.step + 1
                )
            )
        ), deal_values AS (
            SELECT {_KEY},
                sum((deal_amount::DOUBLE / months::DOUBLE)::DECIMAL(38, 10))
                    FILTER ({active(as_of)}) AS mrr,
                sum((deal_amount::DOUBLE / months::DOUBLE)::DECIMAL(38, 10))
                    FILTER ({active(f"{as_of} - 90")}) AS mrr_90d_ago,
                sum(deal_amount) FILTER ({active(as_of)}) AS contract_value,
                max(CASE WHEN churn_date <= {as_of} THEN least(end_date, churn_date)
                    ELSE end_date END) AS deals_end
            FROM walk GROUP BY ALL
        )"""
