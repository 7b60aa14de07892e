"""What the audit finds in a partition: its content hash, its broken rules, some of the rows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from storage_cases import (
    MONTHS,
    ORDERS,
    TITLES,
    arrow,
    day_keys,
    day_orders,
    opened,
    order,
    orders,
    revenue,
    stage,
)

from cs_assets.audit import ROW_NUMBER, SAMPLE_ROWS, audit_query, read_audit
from cs_assets.contract_forms import MASK
from cs_assets.results import ExpectedTotal, Result
from cs_resources.errors import ContractError
from cs_resources.staging import Staged
from cs_resources.storage import Storage

DAY, OTHER = day_keys(2)
odd_texts = st.none() | st.text("a1~|:\n\0中", max_size=4) | st.text(max_size=8)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "tenant_id": odd_texts.filter(lambda text: text is not None),
    "order_id": st.integers(1, 2**63 - 1),
    "price": st.decimals(0, 1000, places=2),
    "paid": st.none() | st.decimals(-1000, 1000, places=2),
    "state": st.sampled_from(["open", "done"]),
    "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "is_gift": st.none() | st.booleans(),
    "phone": odd_texts,
    "note": odd_texts,
}
columns = st.sampled_from(sorted(VALUES))
order_rows = st.lists(st.builds(order, **VALUES), min_size=1, max_size=6)
properties = settings(max_examples=25)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with opened(tmp_path_factory.mktemp("shop")) as storage:
        yield storage


def content(shop: Storage, rows: Sequence[dict[str, Any]]) -> str:
    """The content hash of the rows, all of one day."""
    table = orders(rows).append_column(ROW_NUMBER, pa.array(range(len(rows)), pa.int64()))
    answer = shop.session.backend.to_pyarrow(audit_query(ibis.memtable(table), ORDERS))
    (audit,) = read_audit(answer.to_pylist(), ORDERS)
    return audit.content_hash


@properties
@given(rows=order_rows, data=st.data())
def test_hash_does_not_depend_on_row_order_or_provenance(
    shop: Storage, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    later = data.draw(st.datetimes(), label="extracted_at")
    shuffled = [{**row, "extracted_at": later} for row in data.draw(st.permutations(rows))]
    assert content(shop, rows) == content(shop, shuffled)


@properties
@given(rows=order_rows, column=columns, data=st.data())
def test_hash_differs_for_any_one_changed_value(
    shop: Storage, rows: list[dict[str, Any]], column: str, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(rows) - 1), label="row")
    changed = {**rows[number], column: data.draw(VALUES[column], label="value")}
    assume(changed != rows[number])
    assert content(shop, rows) != content(shop, [*rows[:number], changed, *rows[number + 1 :]])


@properties
@given(row=st.builds(order, **VALUES), texts=st.tuples(odd_texts, odd_texts))
def test_hash_differs_for_values_swapped_between_adjacent_texts(
    shop: Storage, row: dict[str, Any], texts: tuple[str | None, str | None]
) -> None:
    assume(texts[0] != texts[1])
    phone, note = texts
    one, other = {**row, "phone": phone, "note": note}, {**row, "phone": note, "note": phone}
    assert content(shop, [one]) != content(shop, [other])


@properties
@given(rows=order_rows, data=st.data())
def test_hash_differs_for_one_row_more(
    shop: Storage, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    copy = data.draw(st.sampled_from(rows))
    assert content(shop, rows) != content(shop, [*rows, copy])


def test_hash_tells_missing_values_from_every_text_that_looks_like_one(shop: Storage) -> None:
    texts = (None, "", "~", "0|", "|~")
    pairs = [(phone, note) for phone in texts for note in texts]
    found = {content(shop, [order(phone=phone, note=note)]) for phone, note in pairs}
    assert len(found) == len(pairs)


def test_hash_differs_for_values_swapped_between_rows(shop: Storage) -> None:
    one = [order(order_id=1, note="a"), order(order_id=2, note="b")]
    other = [order(order_id=1, note="b"), order(order_id=2, note="a")]
    assert content(shop, one) != content(shop, other)


def test_hash_does_not_depend_on_files_threads_or_form(tmp_path: Path) -> None:
    rows = day_orders([DAY], 30_000)
    for number, part in enumerate((rows[20_000:], rows[:20_000])):
        pq.write_table(part, tmp_path / f"{number}.parquet", row_group_size=7_000)
    found = []
    for threads in (1, 2):
        with opened(tmp_path / str(threads), threads=threads) as shop:
            files = [str(tmp_path / f"{number}.parquet") for number in (0, 1)]
            forms = (
                shop.session.parquet(files, "parts"),
                rows.to_reader(max_chunksize=1_000),
                rows.to_pandas(),
            )
            found += [stage(shop, ORDERS, form, [DAY]).audits[DAY] for form in forms]
    assert {audit.rows for audit in found} == {30_000}
    assert len({audit.content_hash for audit in found}) == 1


def bad_day(shop: Storage, count: int, **changes: Any) -> Staged:
    """A day with three good orders and `count` bad ones, and a good day."""
    bad = [order(DAY, 100 + number, **changes) for number in range(count)]
    table = pa.concat_tables([day_orders([DAY, OTHER]), orders(bad)])
    return stage(shop, ORDERS, table, [DAY, OTHER])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"state": None}, "state is missing"),
        ({"price": Decimal("-0.01"), "paid": None}, "price below 0"),
        ({"price": Decimal("1000.01")}, "price above 1000"),
        ({"state": "lost"}, "state not in open, done"),
        ({"weight": float("nan")}, "weight not finite"),
        ({"weight": float("-inf")}, "weight not finite"),
        ({"paid": Decimal("9.91")}, "paid more than the price"),
    ],
)
def test_broken_rows_are_counted_per_partition_and_sampled(
    shop: Storage, change: dict[str, Any], rule: str
) -> None:
    staged = bad_day(shop, 25, **change)
    assert staged.failures == {DAY: (f"{rule}: 25 rows",)}
    assert staged.good == [OTHER]
    assert [row["broken rule"] for row in staged.samples[DAY]] == [rule] * SAMPLE_ROWS
    assert all(row["order_id"] >= 100 for row in staged.samples[DAY])
    assert bad_day(shop, 1, **change).failures == {DAY: (f"{rule}: 1 rows",)}


def test_repeated_keys_are_counted_beyond_the_first(shop: Storage) -> None:
    table = pa.concat_tables([day_orders([DAY, OTHER]), orders([order(OTHER, 2)] * 24)])
    staged = stage(shop, ORDERS, table, [DAY, OTHER])
    rule = "key (tenant_id, order_date, order_id) repeated"
    assert staged.failures == {OTHER: (f"{rule}: 24 rows",)}
    assert [row["order_id"] for row in staged.samples[OTHER]] == [2] * SAMPLE_ROWS


def test_keys_that_are_missing_repeat_each_other(shop: Storage) -> None:
    by_title = replace(TITLES, key=("title",))
    table = arrow(by_title, [{"title_id": n, "title": None} for n in range(3)])
    staged = stage(shop, by_title, table, ["all"])
    assert staged.failures == {"all": ("key (title) repeated: 2 rows",)}
    assert len(staged.samples["all"]) == 3


def test_every_broken_rule_of_every_partition_is_sampled(shop: Storage) -> None:
    days = day_keys(60)
    bad = [order(day, n + 1, state="lost", weight=float("inf")) for day in days for n in range(21)]
    staged = stage(shop, ORDERS, orders(bad), days)
    assert set(staged.failures) == set(days)
    for day in days:
        shown = [(row["broken rule"], row["order_date"]) for row in staged.samples[day]]
        where = date.fromisoformat(day)
        rules = ("state not in open, done", "weight not finite")
        assert shown == [(rule, where) for rule in rules for _ in range(SAMPLE_ROWS)]


def test_personal_columns_are_masked_wherever_rows_are_shown(shop: Storage) -> None:
    rows = [order(DAY, 1, state="lost"), order(DAY, 2, state="lost", phone=None)]
    staged = stage(shop, ORDERS, orders(rows), [DAY])
    for shown in (staged.previews[DAY], staged.samples[DAY]):
        assert sorted(str(row["phone"]) for row in shown) == ["None", MASK]
    assert "138" not in str(staged)


def test_previews_show_a_few_rows_of_each_partition(shop: Storage) -> None:
    staged = stage(shop, ORDERS, day_orders([DAY], 9), [DAY, OTHER])
    assert len(staged.previews[DAY]) == 5
    assert staged.previews[OTHER] == []
    assert staged.audits[OTHER].rows == 0


@pytest.mark.parametrize(
    ("table", "keys", "words"),
    [
        (orders([order(order_date=None)]), [DAY], "1 rows have no order_date"),
        (day_orders([DAY, OTHER]), [DAY], "partitions that were not asked for: 2025-01-02"),
        (day_orders(day_keys(9)), [DAY], "2025-01-06 …"),
    ],
)
def test_rows_that_belong_to_no_wanted_partition_refuse_the_whole_table(
    storage: Storage, table: pa.Table, keys: list[str], words: str
) -> None:
    with pytest.raises(ContractError, match=words):
        stage(storage, ORDERS, table, keys)
    assert not list(storage.scratch.glob("*.parquet"))


def test_a_period_that_does_not_exist_is_named(shop: Storage) -> None:
    rows = revenue(MONTHS, ["2025-01"]).to_pylist()
    table = arrow(MONTHS, [{**row, "period_key": "2025-13"} for row in rows])
    with pytest.raises(ContractError, match="shop/revenue_month: '2025-13' is not a month"):
        stage(shop, MONTHS, table, ["2025-01"])


def test_totals_known_from_elsewhere_must_agree(shop: Storage) -> None:
    table = ibis.memtable(revenue(MONTHS, ["2025-01", "2025-02"], cents=100))
    totals = (
        ExpectedTotal("shops", {"2025-01": 3, "2025-02": 4, "2025-03": 0}),
        ExpectedTotal("cents", {"2025-01": 301, "2025-03": 0}, column="revenue"),
    )
    keys = ["2025-01", "2025-02", "2025-03"]
    staged = shop.stager.stage(Result(table, totals, refused={"2025-03": "closed"}), MONTHS, keys)
    assert staged.failures == {
        "2025-01": ("cents: sum of revenue is 300, expected 301",),
        "2025-02": ("shops: number of rows is 3, expected 4",),
        "2025-03": ("closed",),
    }


@pytest.mark.parametrize("column", ["price", "weight", "colour"])
def test_a_total_over_anything_but_integers_is_refused(shop: Storage, column: str) -> None:
    result = Result(ibis.memtable(day_orders([DAY])), (ExpectedTotal("sum", {DAY: 30}, column),))
    with pytest.raises(ContractError, match=f"adds up {column}, which is not an integer column"):
        shop.stager.stage(result, ORDERS, [DAY])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"note": None}, r"missing \['note'\]"),
        ({"colour": pa.array(["red"] * 3)}, r"too many \['colour'\]"),
        ({"order_id": pa.array([1.0, 2.0, 3.0])}, "order_id is float64"),
        ({"price": pa.array([1.005] * 3)}, "price is float64"),
        ({"order_date": pa.array([0] * 3, pa.timestamp("us"))}, "order_date is timestamp"),
        ({"extracted_at": pa.array([0] * 3, pa.timestamp("us", "UTC"))}, "extracted_at is"),
        ({"price": pa.array([Decimal("1.005")] * 3)}, r"price is decimal\(4, 3\)"),
    ],
)
def test_columns_that_do_not_fit_without_loss_are_named(
    shop: Storage, change: dict[str, pa.Array | None], words: str
) -> None:
    rows = day_orders([DAY])
    data = dict(zip(rows.column_names, rows.columns, strict=True)) | change
    table = pa.table({name: column for name, column in data.items() if column is not None})
    for form in (table, table.to_reader()):
        with pytest.raises(ContractError, match=words):
            stage(shop, ORDERS, form, [DAY])


def test_narrower_types_and_columns_without_any_value_are_widened(shop: Storage) -> None:
    rows = day_orders([DAY]).set_column(2, "order_id", pa.array([1, 2, 3], pa.int32()))
    rows = rows.set_column(3, "price", pa.array([Decimal("9.9")] * 3))
    rows = rows.set_column(9, "note", pa.nulls(3))
    wide = orders([order(DAY, n) for n in (1, 2, 3)])
    found = {
        stage(shop, ORDERS, form, [DAY]).audits[DAY].content_hash
        for form in (rows, rows.to_reader(), rows.to_pandas(), wide)
    }
    assert len(found) == 1


def test_row_counts_far_apart_in_time_are_audited_in_one_go(shop: Storage) -> None:
    days = [str(date(2000, 1, 1) + timedelta(days=n)) for n in range(3_000)]
    staged = stage(shop, ORDERS, day_orders(days, 1), days)
    assert staged.failures == {}
    assert {audit.rows for audit in staged.audits.values()} == {1}
