"""Invented dialogues with identifiers planted in them, and with numbers that are none.

Belongs here: what customers and robots say around numbers, the same corpus for the same seed.
Must not: knowledge of how identifiers are found again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from benchmarks.spoken_addresses import document, email
from benchmarks.spoken_identifiers import FORMS, digits_of, natural, say
from cs_assets.calls.redaction import Turn

KINDS: Final = {
    "mobile": 40,
    "landline": 8,
    "local number": 4,
    "hotline": 4,
    "id card": 14,
    "bank card": 12,
    "account": 7,
    "e-mail": 10,
    "document": 5,
}


@dataclass(frozen=True)
class Planted:
    """An identifier: what must not be left of it, and in which turns it was said."""

    kind: str
    form: str
    secret: str
    pieces: tuple[str, ...]
    turns: tuple[int, ...]


@dataclass(frozen=True)
class Innocent:
    """A number that is no identifier, and must be left as it is."""

    form: str
    text: str
    turn: int


@dataclass
class Case:
    """A dialogue and what stands in it."""

    turns: list[Turn] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    innocent: list[Innocent] = field(default_factory=list)


CHATTER: Final = (
    ("喂，你好。", "您好，这里是客户服务中心，请问您现在方便吗？"),
    ("嗯，说吧。", "您家的宽带本月到期，续费一年可以提速。"),
    ("我考虑一下吧，一会儿再说。", "好的，那我晚点再联系您。"),
    ("三天两头打电话，烦死了。", "非常抱歉，打扰您了。"),
    ("你说什么？再说一遍，没听清。", "好的，我再为您重复一遍。"),
    (None, "您好，请问您还在听吗？"),
    ("上次那个师傅挺好的，修得很快。", "感谢您的认可，我会转达的。"),
    ("一个月才用几次，太不划算了。", "明白，我帮您看一下别的套餐。"),
    ("好的好的，谢谢啊。", "不客气，祝您生活愉快，再见。"),
    ("我先问问我爱人，这事儿万一弄错了呢。", "好的，不着急。"),
    ("你是机器人吧，给我转人工。", "我是智能客服，正在为您登记。"),
    ("九点多了还打电话，有没有搞错。", "抱歉，那明天上午再联系您可以吗？"),
    ("第一，网速慢；第二，没人管。", "非常理解您的心情，我马上为您登记。"),
    ("行吧，就这样，三两天给我个答复。", "好的，我们会尽快处理。"),
)
SAID: Final = (
    "我的{what}是{}",
    "{what}{}",
    "你记一下，{}",
    "{}",
    "嗯，{}。",
    "{}，你记好了吗",
    "就是{}这个",
    "{what}你记一下啊{}谢谢",
    "对，{what}是{}，麻烦你了",
    "我报给你：{}",
    "不是那个，是{}，以前那个不用了",
    "用{}这个联系我，别打这个了",
)
ECHOED: Final = ("好的，您的{what}是{}，对吗？", "{}，已为您登记。", "跟您核对一下，{}。")
ASKED: Final = ("请问您的{what}是多少？", "麻烦您报一下{what}。", "{what}方便说一下吗？")
NAMES: Final = {
    "mobile": ("电话", "手机号", "号码", "联系方式", "手机"),
    "local number": ("座机", "家里电话", "电话"),
    "landline": ("座机", "电话", "公司电话", "号码"),
    "hotline": ("热线", "客服电话", "电话"),
    "id card": ("身份证", "身份证号", "证件号"),
    "bank card": ("卡号", "银行卡", "银行卡号", "账号"),
    "account": ("账号", "QQ", "宽带账号", "工单号", "订单号", "户号"),
    "e-mail": ("邮箱", "电子邮箱", "邮件地址"),
    "document": ("护照号", "证件号", "单号", "护照"),
}
GOING_ON: Final = ("嗯。", "好的，请继续。", "您请说。", "嗯嗯，还有呢？", None, "好的。")
WAYS: Final = (
    *("nodded", "nodded", "repeated", "interrupted", "read back", "talking", "confirmed"),
)
TAILS: Final = ("，你记了吗", "，听到没", "，对", "啊", "，记一下", "，等会儿我看看", "")
IN_BETWEEN: Final = ("你等一下啊", "我看一下", "嗯", "然后呢", "你记好了没")

INNOCENT: Final = {
    "amount": """一共{n4}元|{n4}块钱|花了{n3}.5元|一万三千五百块|二十三块八|1,280,000元|
        12800.50元|￥3999|一百二十九块九|129、199、299元|99/129/169的套餐|五十九、九十九、
        一百二十九三档|一九九的套餐和二九九的套餐|3000到5000元|1000-2000元|一千零八十块|
        两百五|三千五百八十块六毛四|129元，199元，299元|充了100，送100，又充了200，一共400|
        欠费{n3}.80元|一九九、二九九、三九九都有|从129涨到199又涨到239|两千两百二十二块|
        1234567元|120万|一千二百三十四万五千六百七十八元|1200000块|每月59、99、129随便选|
        299，399，599三种|订单金额1599，优惠200，实付1399|流量20G用了18.5G还剩1.5G|
        去年12月交了1999，今年1月又交了2999|二十、三十、五十的话费|100 200 300都行|
        电话费129，199，299|手机套餐59，99，199|卡里还剩1200，每月扣129|
        微信转了1500，支付宝转了2000|总价3560000元|1599，1999，2999三款|一个一百二，一个一百八""",
    "date": """2025年11月24日|二零二五年十一月|2025-11-24|2025/11/24|2025.11.24|
        二零二五年十一月二十四号|二零二四年到二零二五年|2024年、2025年、2026年|1990年1月1日|
        2025-11-24 10:30:45|11月24号下午3点30分|一九八五年三月十二号|从2023年11月用到2025年11月|
        二零二三、二零二四、二零二五年|每月8号、18号、28号|11.11|九零后、八零后|二零二五款|
        24年12月25号|身份证到期了，2025年8月15号到期|1998年的老用户，2008年换的|
        单号我忘了，12月8号下的单，花了1280""",
    "time": """10:30|9:00-18:00|十点半|早上九点到晚上六点|24小时|7×24小时|三点一刻|
        8点、12点、18点|10点15分20秒|一两个小时|14:30:00|三四十分钟|周一三五，周二四六""",
    "service number": """12315|10086|10000号|打110|九五五八八|95588|一二三一五|幺零零八六|
        打12315，10086都没人管|10086、10010、10000都打过|12315和12345|12315、12345、12300|
        打了12315 10086|幺二三幺五，幺二三四五""",
    "percentage": """98.5%|百分之八十|30%|百分之九十九点九九|20%、30%、50%|百分之二三十|
        99.999%|涨了百分之十五""",
    "order": """一二三四季度|一二三年级|三三两两|一五一十|七七八八|三七二十一|三心二意|
        四五六个|五六七八次|一次两次三次四次|一、二、三|第一第二第三|十有八九|九九八十一|
        不三不四|乱七八糟|一二三四五步|一个两个三个四个五个六个七个八个|1、2、3、4、5、6项|
        二四六晚上|打分1到5|五分五分五分|3+2|数一二三|一下一下又一下|一来二去|七上八下|
        三天五天八天十天|从1数到10|号码换了3个了|联系了3次，每次等30分钟|1点、3点、5点、7点、9点、11点|
        早上8点打一次，10点打一次，下午2点、3点、4点各一次|我电话打了5次，10086打了3次""",
    "version": """v2.3.1|5.1.0版|安卓14|iOS 17.2.1|Win10|版本号12.3.456|V10.0.19045|802.11ax|
        版本是7.0.12.301|iPhone15ProMax|Mate60Pro|H.265|RTX4090""",
    "measure": """300兆|1000M|5G|60G流量500分钟|3000毫安|1920x1080|192.168.1.1|2.4G和5G|
        500M、1000M、2000M|身高175，体重65公斤|血压120/80|1000Mbps|20000毫安时|100平米|
        300兆、500兆、1000兆|一千五百米|25、30、35度|10000步|2560x1440""",
    "short number": """工号1024|尾号8000|零零一号|验证码3321|验证码482913|3号楼2单元1501室|
        门牌88号|邮编310000|股票600519|K1234次|CA1234航班|尾号四个八|零零七|二幺零房间|
        分机8012|编号1001、1002|座位12排8座|1234|房号2001|三零二""",
    "people": """张三李四王五|老三老四|六个人|一家五口|三个八十岁的老人|两个孩子|四五个人|
        1,234,567人|几千几百个""",
}
AROUND: Final = (
    "{}",
    "是{}吗？",
    "我说{}，你听清楚",
    "那个{}怎么回事",
    "就{}，没别的",
    "都{}了还不行",
)
_SHARE_IN_ONE: Final = 0.3


def innocents() -> dict[str, list[str]]:
    """Return the numbers that are no identifiers, by form."""
    return {
        form: [
            text.strip() for text in "".join(line.strip() for line in texts.split("\n")).split("|")
        ]
        for form, texts in INNOCENT.items()
    }


def dialogues(count: int, seed: int = 0) -> Iterator[Case]:
    """Yield dialogues; the same for the same seed."""
    random, numbers = Random(seed), innocents()
    kinds = random.choices(list(KINDS), list(KINDS.values()), k=count)
    for kind in kinds:
        case = Case()
        _chat(random, case, 1, 3)
        _numbers(random, case, numbers)
        if random.random() < 0.8:
            _plant(random, case, kind)
            _chat(random, case, 0, 2)
        if random.random() < 0.4:
            _numbers(random, case, numbers)
        if random.random() < 0.15:
            _plant(random, case, random.choice(list(KINDS)))
        _chat(random, case, 1, 2)
        yield case


def _chat(random: Random, case: Case, least: int, most: int) -> None:
    for customer, robot in random.sample(CHATTER, random.randint(least, most)):
        case.turns.append(Turn(customer, robot))


def _numbers(random: Random, case: Case, numbers: dict[str, list[str]]) -> None:
    form = random.choice(list(numbers))
    text = random.choice(numbers[form])
    text = text.format(n3=random.randint(101, 999), n4=random.randint(1000, 9999))
    case.innocent.append(Innocent(form, text, len(case.turns)))
    said = random.choice(AROUND).format(text)
    by_robot = random.random() < 0.3
    case.turns.append(Turn("嗯。", said) if by_robot else Turn(said, random.choice(CHATTER)[1]))


def _plant(random: Random, case: Case, kind: str) -> None:
    what = random.choice(NAMES[kind])
    if random.random() < 0.5:
        case.turns.append(Turn(random.choice(CHATTER)[0], random.choice(ASKED).format(what=what)))
    if kind in ("mobile", "id card", "bank card", "landline") and random.random() < 0.2:
        return _plant_over_turns(random, case, kind, what)
    if kind == "e-mail":
        form, said, secret = email(random)
    elif kind == "document":
        form, said, secret = document(random)
    else:
        digits = digits_of(random, kind)
        form = random.choice(list(FORMS[kind]))
        said, secret = FORMS[kind][form](random, digits), digits
        if form == "15 digits":
            secret = said
    spoken = random.choice(SAID).format(said, what=what)
    number = len(case.turns)
    if random.random() < 0.2:
        case.turns.append(Turn(None, spoken))
    elif random.random() < 0.25 and kind not in ("e-mail", "document"):
        again = say(secret, "一") if random.random() < 0.5 else secret
        robot = random.choice(ECHOED).format(again, what=what)
        case.turns.append(Turn(spoken, robot))
    else:
        case.turns.append(Turn(spoken, random.choice(CHATTER)[1]))
    case.planted.append(Planted(kind, form, secret, (said,), (number,)))
    return None


def _plant_over_turns(random: Random, case: Case, kind: str, what: str) -> None:
    """The identifier comes in groups, one turn each; the robot nods, repeats or asks."""
    digits = digits_of(random, kind)
    way = random.choice(WAYS)
    written = random.random() < 0.4
    parts = [
        part if written else say(part, random.choice("幺一")) for part in natural(random, digits)
    ]
    first = len(case.turns)
    for at, part in enumerate(parts):
        lead = random.choice(["", "", "嗯，", "然后", "那个，"] if at else ["", what, f"{what}是"])
        tail = random.choice(TAILS) if way == "talking" else ""
        nod = part if way == "repeated" else random.choice(GOING_ON)
        nod = f"{part}，请继续。" if way == "confirmed" else nod
        case.turns.append(Turn(f"{lead}{part}{tail}", nod))
        if way == "interrupted" and at == 0:
            case.turns.append(Turn(random.choice(IN_BETWEEN), "好的，不着急。"))
    if way == "read back":
        case.turns.append(Turn("对吧？", random.choice(ECHOED).format("，".join(parts), what=what)))
    turns = tuple(range(first, len(case.turns)))
    case.planted.append(Planted(kind, f"over turns, {way}", digits, tuple(parts), turns))
