"""The health sample: repeatable, whole, clean but for what is planted, the same at every scale."""

import csv
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cs_apps.sample_data.calls import SHARED_CUSTOMER_IDS
from cs_apps.sample_data.health import COLUMNS, write_health_files
from cs_apps.sample_data.health_plan import BLOCK_CUSTOMERS, SamplePeriod, customer_id
from cs_apps.sample_data.health_stories import Book, load_book
from cs_assets.sources import contracts

END = date(2025, 12, 31)
DATES = {
    "customers": ["contract_date"],
    "sales": ["deal_date", "renewal_date"],
    "support": ["created_date", "resolved_date"],
    "activity": ["date"],
}


def rows(folder: Path, source: str) -> pd.DataFrame:
    """A source's rows; dates that are none become NaT."""
    frame = pd.read_csv(folder / f"{source}.csv")
    for column in DATES[source]:
        frame[column] = pd.to_datetime(frame[column], format="%Y-%m-%d", errors="coerce")
    return frame


def lines_of(folder: Path, source: str, customer: str) -> list[list[str]]:
    with (folder / f"{source}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.reader(file) if customer in row[:2]]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    write_health_files(folder, with_defects=False)
    return folder


@pytest.fixture(scope="module")
def customers(clean: Path) -> pd.DataFrame:
    return rows(clean, "customers")


@pytest.fixture(scope="module")
def sales(clean: Path) -> pd.DataFrame:
    return rows(clean, "sales")


@pytest.fixture(scope="module")
def support(clean: Path) -> pd.DataFrame:
    return rows(clean, "support")


@pytest.fixture(scope="module")
def activity(clean: Path) -> pd.DataFrame:
    return rows(clean, "activity")


def with_story(name: str) -> list[str]:
    book = load_book()
    at = list(book.stories).index(name)
    return [customer_id(number) for number in range(30) if book.order[number] == at]


def test_headers_are_the_sources(clean: Path) -> None:
    for source, columns in COLUMNS.items():
        with (clean / f"{source}.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
        assert tuple(lines[0]) == columns
        assert {len(line) for line in lines} == {len(columns)}


@pytest.mark.parametrize("source", COLUMNS)
def test_columns_are_those_that_the_facts_read(source: str) -> None:
    fact = next(fact for fact in contracts.FACTS if fact.name == f"{source}_raw")
    derived = {"tenant_id", "snapshot_date", "is_backdated", "source_file", "row_number"}
    unlanded = {"sla_missed"}
    wanted = {column.source or column.name for column in fact.columns} - derived - unlanded
    assert wanted == set(COLUMNS[source])


def test_thirty_customers_of_three_types(customers: pd.DataFrame) -> None:
    assert tuple(customers.customer_id) == SHARED_CUSTOMER_IDS
    assert customers.customer_type.value_counts().to_dict() == {
        "enterprise": 10,
        "mid_market": 15,
        "startup": 5,
    }
    assert customers.name.is_unique
    assert customers.name.str.fullmatch(r"[\u4e00-\u9fff]{9,16}").all()
    assert (customers.contract_date < "2025-07-01").all()


def test_about_three_deals_a_customer(sales: pd.DataFrame) -> None:
    per_customer = sales.groupby("customer_id").size()
    assert len(per_customer) == 30
    assert per_customer.between(1, 4).all()
    assert 2.7 <= per_customer.mean() <= 3.3
    assert {"won", "renewed", "churned", "prospect"} <= set(sales.deal_stage)


def test_one_ticket_a_customer_and_month(support: pd.DataFrame) -> None:
    months = support.groupby(["customer_id", support.created_date.dt.to_period("M")]).size()
    assert len(months) == 30 * 6
    assert set(months) == {1}
    assert support.ticket_id.is_unique
    assert set(support.priority) == set(contracts.PRIORITIES)
    is_open = support.resolved_date.isna()
    assert 0 < is_open.mean() < 0.2
    assert support[is_open][["satisfaction_score", "resolution_time"]].isna().all(axis=None)
    assert 0.1 < support[~is_open].satisfaction_score.isna().mean() < 0.4


def test_one_to_three_rows_a_customer_and_day(activity: pd.DataFrame) -> None:
    days = activity.groupby(["customer_id", "date"]).size()
    assert len(days) == 30 * 184
    assert set(days) == {1, 2, 3}
    assert set(activity.activity_type) == set(contracts.ACTIVITY_TYPES)
    use = activity.activity_type == "feature_use"
    assert (use == activity.usage_depth.notna()).all()
    names = {name for tier in load_book().features.values() for name in tier}
    assert set(activity[use].feature_name) == names
    steps = activity[activity.activity_type == "onboarding"]
    assert set(steps.feature_name) == set(load_book().onboarding)


def test_every_row_keeps_the_rules(
    customers: pd.DataFrame, sales: pd.DataFrame, support: pd.DataFrame, activity: pd.DataFrame
) -> None:
    known = set(customers.customer_id)
    for frame in (sales, support, activity):
        assert set(frame.customer_id) == known
    assert set(customers.payment_status) <= set(contracts.PAYMENT_STATUSES)
    assert customers.nps_score.between(-100, 100).all()
    assert (customers.contract_length_months > 0).all()
    assert set(sales.deal_stage) <= set(contracts.DEAL_STAGES)
    assert (sales.deal_amount > 0).all()
    assert (sales.contract_length > 0).all()
    signed = sales.deal_stage.isin(["won", "renewed"])
    assert (sales.renewal_date.notna() == signed).all()
    assert (sales[signed].renewal_date > sales[signed].deal_date).all()
    solved = support[support.resolved_date.notna()]
    assert (solved.resolved_date >= solved.created_date).all()
    assert solved.satisfaction_score.dropna().isin([1, 2, 3, 4, 5]).all()
    assert (solved.resolution_time.dropna() > 0).all()
    assert activity.usage_depth.dropna().between(0, 1).all()
    assert (activity[["activity_value", "user_count"]] > 0).all(axis=None)
    assert (activity.session_duration.dropna() > 0).all()
    for frame, column in (
        (sales, "deal_date"),
        (support, "created_date"),
        (solved, "resolved_date"),
        (activity, "date"),
    ):
        assert frame[column].between("2025-07-01", "2025-12-31").all()


def test_critical_customers_are_in_trouble_by_the_end(
    customers: pd.DataFrame, sales: pd.DataFrame, support: pd.DataFrame, activity: pd.DataFrame
) -> None:
    end = pd.Timestamp(END)
    ids = with_story("critical")
    assert len(ids) == 3
    for customer in ids:
        row = customers.set_index("customer_id").loc[customer]
        assert row.payment_status == "overdue"
        assert row.nps_score < 0
        contract_end = row.contract_date + pd.DateOffset(months=row.contract_length_months)
        deal_ends = sales[sales.customer_id == customer].renewal_date.dropna()
        assert 0 <= (max(contract_end, *deal_ends) - end).days <= 90
        mine = activity[activity.customer_id == customer]
        assert mine.date.max() == end
        logins = mine[mine.activity_type == "login"].date
        assert (end - logins.max()).days > 14
        tickets = support[(support.customer_id == customer) & support.resolved_date.isna()]
        urgent = tickets[tickets.priority == "urgent"]
        assert ((end - urgent.created_date).dt.days > 3).any()


def login_days(activity: pd.DataFrame, story: str) -> list[float]:
    """Mean days with a login a customer, in each month."""
    logins = activity[(activity.activity_type == "login")]
    logins = logins[logins.customer_id.isin(with_story(story))].drop_duplicates(
        ["customer_id", "date"]
    )
    months = logins.groupby(logins.date.dt.month).size()
    return [float(months.get(month, 0)) / len(with_story(story)) for month in range(7, 13)]


def test_stories_differ_in_use_and_in_the_way_they_go(activity: pd.DataFrame) -> None:
    assert min(login_days(activity, "excellent")) >= 20
    assert 12 <= min(login_days(activity, "healthy")) < 20
    assert max(login_days(activity, "at_risk")) < 14
    declining = login_days(activity, "declining")
    assert declining[-1] < declining[0] / 2
    recovering = login_days(activity, "recovering")
    assert min(recovering[2:4]) < recovering[0] - 4
    assert recovering[-1] > recovering[0]


def test_every_story_is_told_among_thirty(tmp_path: Path) -> None:
    summary = write_health_files(tmp_path, months=1)
    assert sum(summary.stories.values()) == len(load_book().order) == 30
    assert set(summary.stories) == set(load_book().stories)


def test_a_customer_looks_the_same_at_every_scale(clean: Path, tmp_path: Path) -> None:
    customers = BLOCK_CUSTOMERS + 5
    write_health_files(tmp_path / "more", customers=customers, with_defects=False)
    write_health_files(tmp_path / "most", customers=2 * customers, with_defects=False)
    for source in COLUMNS:
        for customer in ("C0001", "C0017", "C0030"):
            found = lines_of(tmp_path / "more", source, customer)
            assert found
            assert found == lines_of(clean, source, customer)
        for customer in (f"C{BLOCK_CUSTOMERS:04d}", f"C{customers:04d}"):
            found = lines_of(tmp_path / "more", source, customer)
            assert found
            assert found == lines_of(tmp_path / "most", source, customer)


def test_defects_are_the_only_difference(clean: Path, tmp_path: Path) -> None:
    summary = write_health_files(tmp_path)
    count = Counter(defect.source for defect in summary.defects)
    for source in COLUMNS:
        spoiled = (tmp_path / f"{source}.csv").read_text("utf-8").splitlines()
        sound = (clean / f"{source}.csv").read_text("utf-8").splitlines()
        assert spoiled[: len(sound)] == sound
        assert len(spoiled) - len(sound) == count[source]
        assert summary.rows[source] == len(spoiled) - 1
    reasons = {
        "sales": contracts.SALES_REASONS,
        "support": contracts.SUPPORT_REASONS,
        "activity": contracts.ACTIVITY_REASONS,
    }
    for defect in summary.defects:
        assert defect.reason in {reason.code for reason in reasons[defect.source]}


def test_the_page_names_every_defect_and_story(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "make-sample-data.md"
    text = page.read_text("utf-8")
    summary = write_health_files(tmp_path, months=1)
    for defect in summary.defects:
        assert f"| `{defect.source}` | `{defect.reason}` |" in text
    for story in load_book().stories:
        told = next(line for line in text.splitlines() if line.startswith(f"| {story} |"))
        assert re.findall(r"C\d{4}", told) == with_story(story)


def test_defects_break_the_rule_they_name(tmp_path: Path) -> None:
    summary = write_health_files(tmp_path, months=1)
    rows = {defect.reason: defect.row for defect in summary.defects}
    assert rows["bad_deal_amount"]["deal_amount"] == "0"
    assert rows["unknown_customer"]["customer_id"] == "C0000"
    assert rows["bad_resolved_date"]["resolved_date"] < rows["bad_resolved_date"]["created_date"]
    assert rows["bad_usage_depth"]["usage_depth"] == "1.4"
    assert rows["bad_activity_type"]["activity_type"] not in contracts.ACTIVITY_TYPES
    assert rows["bad_date"]["date"] == "2025-13-45"
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("end", "months", "start"),
    [
        (END, 6, date(2025, 7, 1)),
        (date(2025, 2, 28), 1, date(2025, 2, 1)),
        (date(2024, 2, 29), 14, date(2023, 1, 1)),
    ],
)
def test_any_whole_months(tmp_path: Path, end: date, months: int, start: date) -> None:
    write_health_files(tmp_path, customers=3, months=months, end=end, with_defects=False)
    activity = rows(tmp_path, "activity")
    assert activity.date.min() == pd.Timestamp(start)
    assert activity.date.max() == pd.Timestamp(end)
    assert len(activity.groupby(["customer_id", "date"])) == 3 * ((end - start).days + 1)
    assert len(rows(tmp_path, "support")) == 3 * months
    assert SamplePeriod.ending(end, months).start == start


def test_months_of_other_samples_are_the_same() -> None:
    period = SamplePeriod.ending(END, 6)
    assert (period.start, period.end, period.months) == (date(2025, 7, 1), END, 6)
    assert len(period.days) == (END - period.start + timedelta(days=1)).days


def test_the_book_refuses_a_story_that_is_not_there() -> None:
    book = load_book().model_dump(by_alias=True)
    with pytest.raises(ValueError, match="not there"):
        Book.model_validate(book | {"order": ("healthy", "happy")})
