"""The facts of the calls system as its source tells them: tables in the lake, a partition a day.

Belongs here: facts. What was said stands in `sentiment_contracts`, the marts in `mart_contracts`.
"""

from cs_assets.calendar import Grain
from cs_assets.contracts import TENANT, Column, Contract, Place, Rule
from cs_assets.quarantine import Reason, quarantine_contract

SYSTEM = "calls"
INTENTION_LEVELS = ("A", "B", "C", "D", "E", "F")
HANGUP_SIDES = ("robot", "customer", "unknown")

EXTRACTED_AT = Column(
    "extracted_at", "timestamp(6)", "When the row was read, UTC.", is_provenance=True
)
SOURCE_TABLE = Column("source_table", "string", "Table of the call database that held the row.")
UNREADABLE = Column(
    "unreadable",
    "string",
    "JSON of values that are not of their column's type; null where all could be read.",
    nullable=True,
    is_personal=True,
)
ROW_CHECKSUM = Column(
    "row_checksum",
    "int64",
    "CRC-32 of the row's values as the call database holds them, by which changes are noticed.",
    is_provenance=True,
)
CALL_DATE = Column("call_date", "date", "Day of the call in the installation's time zone.")

CALL_TASKS = Contract(
    system=SYSTEM,
    name="call_tasks",
    place=Place.LAKE,
    description="The dialler's tasks (call campaigns) and their names, as the source has them now.",
    key=("tenant_id", "task_id"),
    kinds=frozenset({"sql"}),
    columns=(
        TENANT,
        Column("task_id", "string", "Task.", source="autodialer_task.uuid"),
        Column("task_name", "string", "Name of the task.", nullable=True),
        Column("created_at", "timestamp(6)", "When the task was created.", nullable=True),
        EXTRACTED_AT,
    ),
)

CALL_RECORDS_RAW = Contract(
    system=SYSTEM,
    name="call_records_raw",
    place=Place.LAKE,
    description="The day's call records as the call database holds them; nothing is judged yet. "
    "A record whose calldate is missing, unreadable or impossible for its table stands on the "
    "first day of the table's month.",
    grain=Grain.DAY,
    partition_column="call_date",
    kinds=frozenset({"sql"}),
    columns=(
        TENANT,
        Column("call_date", "date", "Day with which the record is read."),
        Column("id", "string", "Record id.", nullable=True),
        Column("callid", "string", "Call id.", nullable=True),
        Column("customer_id", "string", "Called customer.", nullable=True),
        Column("task_id", "string", "Task of the call.", nullable=True),
        Column("callee", "string", "Phone number.", nullable=True, is_personal=True),
        Column("calldate", "timestamp(6)", "When the call was placed, local time.", nullable=True),
        Column("duration", "int64", "Total duration.", nullable=True, unit="ms"),
        Column("bill", "int64", "Billed talk time.", nullable=True, unit="ms"),
        Column("rounds", "int64", "Dialogue turns counted by the dialler.", nullable=True),
        Column("hangup_disposition", "int64", "1 robot, 2 customer.", nullable=True),
        Column("intention_results", "string", "Intention grade.", nullable=True),
        UNREADABLE,
        SOURCE_TABLE,
        ROW_CHECKSUM,
        EXTRACTED_AT,
    ),
)

CALL_TURNS_RAW = Contract(
    system=SYSTEM,
    name="call_turns_raw",
    place=Place.LAKE,
    description="The dialogue turns of the day's calls, in order. Turns whose call record does not "
    "exist stand on the first day of their table's month.",
    grain=Grain.DAY,
    partition_column="call_date",
    key=("tenant_id", "call_date", "source_table", "record_id", "sequence"),
    kinds=frozenset({"sql"}),
    columns=(
        TENANT,
        Column("call_date", "date", "Day with which the call record is read."),
        Column("record_id", "string", "Call record of the turn.", nullable=True),
        Column("callid", "string", "Call id.", nullable=True),
        Column("sequence", "int64", "Position of the turn in its dialogue, from 1.", minimum=1),
        Column("question", "string", "What the customer said.", nullable=True, is_personal=True),
        Column("answer_content", "string", "What the robot said.", nullable=True, is_personal=True),
        UNREADABLE,
        SOURCE_TABLE,
        ROW_CHECKSUM,
        EXTRACTED_AT,
    ),
)

CALL_RECORDS_CLEAN = Contract(
    system=SYSTEM,
    name="call_records_clean",
    place=Place.LAKE,
    description="The day's calls, typed, one row per call: of records with the same callid the one "
    "with the latest calldate counts, then the one with the greatest id.",
    grain=Grain.DAY,
    partition_column="call_date",
    key=("tenant_id", "call_date", "callid"),
    rules=(
        Rule(
            "talk longer than the call",
            "Talk time is never longer than the call.",
            lambda calls: calls.talk_ms <= calls.total_ms,
        ),
        Rule(
            "connected without talk time",
            "A call is connected exactly if it has talk time.",
            lambda calls: calls.is_connected == (calls.talk_ms > 0),
        ),
        Rule(
            "called on another day",
            "The call was placed on the day of its partition.",
            lambda calls: calls.called_at.date() == calls.call_date,
        ),
    ),
    columns=(
        TENANT,
        CALL_DATE,
        Column("callid", "string", "Call id."),
        Column("id", "string", "Record id of the call.", source="autodialer_call_record.id"),
        SOURCE_TABLE,
        Column("customer_id", "string", "Called customer: the subject of the portrait."),
        Column("task_id", "string", "Task of the call."),
        Column("called_at", "timestamp(6)", "When the call was placed, local time."),
        Column("talk_ms", "int64", "Talk time.", unit="ms", minimum=0, source="bill"),
        Column("total_ms", "int64", "Total duration.", unit="ms", minimum=0, source="duration"),
        Column("is_connected", "boolean", "Somebody answered: talk time above zero."),
        Column("rounds", "int64", "Turns counted by the dialler.", nullable=True, minimum=0),
        Column(
            "intention_level",
            "string",
            "Intention: A strong, B interested, C to follow up, D none, E refused, F invalid; null "
            "if the source says anything else.",
            nullable=True,
            allowed=INTENTION_LEVELS,
        ),
        Column("hangup_by", "string", "Who hung up.", allowed=HANGUP_SIDES),
        Column("dialogue_turns", "int64", "Turns in call_turns_raw.", minimum=0),
    ),
)

QUARANTINE_REASONS = (
    Reason("unreadable_value", "a value is not of its column's type (text in a number, no date)"),
    Reason("no_call_date", "the record has no calldate"),
    Reason("impossible_call_date", "the calldate lies outside of the months its table can hold"),
    Reason("no_record_id", "the record has no id"),
    Reason("no_callid", "the record has no callid"),
    Reason("no_customer", "the record names no customer"),
    Reason("no_task", "the record names no task"),
    Reason("no_duration", "the duration or the talk time is missing"),
    Reason("negative_duration", "a duration, talk time or number of rounds is below zero"),
    Reason("talk_longer_than_call", "the talk time is longer than the call"),
    Reason("unknown_task", "the task is not in call_tasks; tried again when it is", True),
)

CALL_RECORDS_QUARANTINE = quarantine_contract(
    SYSTEM, "call_records_quarantine", "The day's call records", "call_date", QUARANTINE_REASONS
)

FACTS = (
    CALL_TASKS,
    CALL_RECORDS_RAW,
    CALL_TURNS_RAW,
    CALL_RECORDS_CLEAN,
    CALL_RECORDS_QUARANTINE,
)
