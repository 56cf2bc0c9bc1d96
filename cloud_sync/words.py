"""The page's words in two languages, and how it says times and lengths.

One idea, one word: the terms are those of DESIGN.md, section 7.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Final

from cloud_sync.reports import DAY_MS, HOUR_MS, State
from cloud_sync.words_of_events import EVENT_WORDS, POINTS, WHYS
from cloud_sync.words_of_eyes import CONDITIONS, EYE_WORDS

MINUTE_MS: Final = 60_000
CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has one time and no summer time, so this needs no time zone database."""


class Language(StrEnum):
    """The page's languages, as HTML names them."""

    ZH = "zh-CN"
    EN = "en"


WORDS: Final[dict[str, tuple[str, str]]] = {
    # the states
    "state0": ("无数据", "no data"),
    "state1": ("停工", "stopped"),
    "state2": ("空转", "idle"),
    "state3": ("开工", "running"),
    "state4": ("存疑", "contested"),
    # names of things
    "name": ("千里眼", "Qianliyan"),
    "enterprises": ("企业", "Enterprises"),
    "gates": ("计数线", "Gates"),
    "coverage": ("数据完整率", "Coverage"),
    "coverage_is": ("数据完整率 {share}", "coverage {share}"),
    "withheld": ("不足 90 %，不折算", "below 90 %, not normalised"),
    "other": ("English", "中文"),
    # windows
    "24h": ("24 小时", "24 h"),
    "7d": ("7 天", "7 days"),
    "30d": ("30 天", "30 days"),
    "today": ("今天", "today"),
    "last_24h": ("过去 24 小时", "last 24 h"),
    "from_then": ("{at} 起", "from {at}"),
    "earlier": ("更早", "earlier"),
    "later": ("更晚", "later"),
    "now": ("现在", "now"),
    # lengths
    "hours": ("{h} 小时", "{h} h"),
    "hours_range": ("{low}–{up} 小时", "{low}–{up} h"),
    "hours_a_day": ("{h} 小时/天", "{h} h/day"),
    "duration_h": ("{h} 小时 {m:02} 分", "{h} h {m:02} min"),
    "duration_m": ("{m} 分", "{m} min"),
    "duration_s": ("{s} 秒", "{s} s"),
    "ago": ("{length}前", "{length} ago"),
    # the state line
    "since": ("{state} · {at} 起", "{state} since {at}"),
    "since_long": ("{state} · 超过 24 小时", "{state} for over 24 h"),
    "last_reading": ("最后读数 {at}，{ago}", "last reading {at}, {ago}"),
    "no_reading": ("近期无读数", "no recent reading"),
    "new_since": ("新装，{at} 起", "new, from {at}"),
    "not_installed": ("尚未安装", "not installed yet"),
    "nothing_yet": ("尚无声明", "no statement yet"),
    "split": ("空转 {idle} · 停工 {stopped}", "idle {idle} · stopped {stopped}"),
    "bar_says": ("{title}：{what}", "{title}: {what}"),
    "span_says": ("{title}：{begins}–{ends} {state}", "{title}: {begins}–{ends} {state}"),
    # means
    "mean_last_24h": ("过去 24 小时平均运行", "Mean running hours, last 24 h"),
    "mean_today": ("今日 0 时至此平均运行", "Mean running hours, today since 00:00"),
    "mean_day": ("当日平均运行（0–24 时）", "Mean running hours of the day, 00–24"),
    "mean_days": ("日均运行时长（按日历日）", "Mean daily running hours, calendar days"),
    "mean_machines": ("采用 {used}/{total} 台", "{used} of {total} machines used"),
    "mean_machine_days": ("采用 {used}/{total} 台·日", "{used} of {total} machine-days used"),
    "mean_none": ("数据不足", "not enough data"),
    # honesty
    "demonstration": ("演示时钟", "Demonstration clock"),
    "demonstration_more": (
        "声明按模拟时间签名，并非真实时间。",
        "Signed under a simulated time, not the world's.",
    ),
    "blank": (
        "空白处：尚未安装，或时间未到。无数据从不画成停工。",
        "Blank: not installed yet, or still to come. No data is never drawn as stopped.",
    ),
    "columns_say": (
        "每柱一天，柱高为当日运行时长，满格 24 小时；上方斜线为无数据的小时。",
        "One column a day: its height is the day's running hours, full height is 24 h; hatched on top: no data.",
    ),
    "as_of": ("截至 {at}，{zone}", "As of {at}, {zone}"),
    "stale": ("连接中断，以上是 {at} 的情况", "Connection lost: this is how it was at {at}"),
    "fork": ("分叉", "fork"),
    "gap": ("断档", "gap"),
    "missing": ("缺失声明", "missing statements"),
    "gap_mark": ("断档 {n}", "{n} gap"),
    "gaps_mark": ("断档 {n}", "{n} gaps"),
    "fork_mark": ("分叉 {n}", "{n} fork"),
    "forks_mark": ("分叉 {n}", "{n} forks"),
    # one machine
    "spans": ("时段", "Spans"),
    "from": ("起", "From"),
    "to": ("止", "To"),
    "state": ("状态", "State"),
    "length": ("时长", "Length"),
    "day": ("日期", "Day"),
    "at_least_most": ("至少 {low}，至多 {up}", "at least {low}, at most {up}"),
    "normalised": ("折算为全窗口", "Normalised to the window"),
    "bounds": ("上下界", "Bounds"),
    "evidence": ("依据", "What this rests on"),
    "stream": ("数据流", "Stream"),
    "box": ("监控仪", "Box"),
    "statements": ("签名声明", "Signed statements"),
    "statements_are": ("第 {first}–{last} 号，共存 {held} 份", "no. {first} to {last}, {held} held"),
    "first_statement": ("首份", "First"),
    "last_statement": ("末份", "Last"),
    "received": ("收到时间", "Received"),
    "chain": ("链", "Chain"),
    "chain_complete": ("完整，无断档，无分叉", "complete: no gap, no fork"),
    "clock": ("时钟", "Clock"),
    "clock0": ("自启动未校准", "never set since the box started"),
    "clock1": ("自由走时", "set once, running free"),
    "clock2": ("网络校准", "set by the network"),
    "clock15": ("演示时钟（模拟）", "demonstration clock (simulated)"),
    "clock_error": ("误差不超过 {ms} 毫秒", "error at most {ms} ms"),
    "judged": ("判定标准", "Judged with"),
    "judged_by": (
        "开工 ≥ {running} kW，空转 ≥ {idle} kW，回差 {hysteresis} kW，保持 {dwell}",
        "running ≥ {running} kW, idle ≥ {idle} kW, hysteresis {hysteresis} kW, dwell {dwell}",
    ),
    "judged_else": ("不按功率判定", "not by power"),
    "settings": ("配置 SHA-256", "Settings SHA-256"),
    "numbers": ("第 {first}–{last} 号", "no. {first} to {last}"),
    "number": ("第 {first} 号", "no. {first}"),
    "reason1": ("监控仪断电", "box switched off"),
    "reason2": ("存储已满", "storage full"),
    "reason3": ("抽稀", "thinned"),
    "reason4": ("程序异常", "crash"),
    "reason5": ("时钟", "clock"),
    "reason6": ("采集源中断", "source lost"),
    "more_rows": ("另有 {n} 条", "and {n} more"),
    # gates
    "in": ("入", "in"),
    "out": ("出", "out"),
    "net": ("净", "net"),
    "blind_for": ("看不见 {length}", "blind for {length}"),
    "by_hour": ("每小时出入", "In and out by the hour"),
    "by_day": ("每日出入", "In and out by the day"),
    "gate_columns_say": (
        "向上为入，向下为出，最高 {most} 件；斜线为看不见的时间，不是零。",
        "Up is in, down is out, the longest {most} items; hatched: blind at that time, which is not zero.",
    ),
    "crossings": ("出入记录", "Crossings"),
    "no_crossings": ("没有出入", "no crossings"),
    "time": ("时间", "Time"),
    "direction": ("方向", "Way"),
    "what": ("货物", "Item"),
    "confidence": ("置信度", "Confidence"),
    # refusals
    "not_found": ("没有这个页面", "There is no such page"),
    "not_found_more": ("请从首页重新进入。", "Start again from the first page."),
    "bad_request": ("看不懂这个地址", "This address makes no sense"),
    "bad_request_more": (
        "时间段须为 24h、7d 或 30d，日期须如 2026-11-23。",
        "The span must be 24h, 7d or 30d, and the day like 2026-11-23.",
    ),
    **EVENT_WORDS,
    **EYE_WORDS,
}
LABELS: Final[dict[str, tuple[str, str]]] = {
    "goods": ("货物", "goods"),
    "carton": ("纸箱", "carton"),
    "person": ("人员", "person"),
    "vehicle": ("车辆", "vehicle"),
    "tyre": ("轮胎", "tyre"),
    "sack": ("袋", "sack"),
    "drum": ("桶", "drum"),
    "roll": ("卷", "roll"),
    "bobbin": ("筒纱", "bobbin"),
    "forklift": ("叉车", "forklift"),
    "load": ("一批货物", "load"),
}
"""What a detector calls the things it sees; another label is said as it was signed."""
WEEKDAYS: Final = (tuple(f"周{day}" for day in "一二三四五六日"), ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Says words, times and lengths in one language and one time zone."""

    language: Language
    zone: tzinfo = CHINA

    def __call__(self, word: str, **values: object) -> str:
        """The word or sentence, with its values in place."""
        return WORDS[word][self._at].format(**values)

    def state(self, state: State) -> str:
        """The word for a run state."""
        return self(f"state{state}")

    def label(self, label: str) -> str:
        """The word for a detector's label, or the label itself."""
        return LABELS.get(label, (label, label))[self._at]

    def point(self, name: str) -> str:
        """The word for a point, with its phase or tariff behind it; or the name itself."""
        if name in POINTS:
            return POINTS[name][self._at]
        base, _, which = name.rpartition("_")
        return f"{POINTS[base][self._at]} {which.upper()}" if base in POINTS else name

    def condition(self, name: str) -> str:
        """The word for what is wrong with a camera, or the name itself."""
        return CONDITIONS.get(name, (name, name))[self._at]

    def why(self, why: str) -> str:
        """Where a limit comes from."""
        return WHYS.get(why, why) if self.language is Language.ZH else why

    def hours(self, ms: int, word: str = "hours") -> str:
        """18.4 h."""
        return self(word, h=hours_figure(ms))

    def length(self, ms: int) -> str:
        """2 h 15 min, 45 min, 20 s."""
        if ms < MINUTE_MS:
            return self("duration_s", s=max(0, ms) // 1000)
        if ms < HOUR_MS:
            return self("duration_m", m=ms // MINUTE_MS)
        return self("duration_h", h=ms // HOUR_MS, m=ms % HOUR_MS // MINUTE_MS)

    def ago(self, at_ms: int, now_ms: int) -> str:
        """3 min ago."""
        return self("ago", length=self.length(now_ms - at_ms))

    def clock(self, at_ms: int) -> str:
        """14:05."""
        return f"{self._local(at_ms):%H:%M}"

    def second(self, at_ms: int) -> str:
        """14:05:30."""
        return f"{self._local(at_ms):%H:%M:%S}"

    def moment(self, at_ms: int, near_ms: int | None = None) -> str:
        """14:05 on the day of `near_ms`, 11-22 14:05 on another, and the whole date and second without it."""
        local = self._local(at_ms)
        if near_ms is None:
            return f"{local:%Y-%m-%d %H:%M:%S}"
        return f"{local:%H:%M}" if local.date() == self._local(near_ms).date() else f"{local:%m-%d %H:%M}"

    def day(self, day: date) -> str:
        """11-23 周一, Mon 11-23."""
        weekday = self.weekday(day)
        return f"{day:%m-%d} {weekday}" if self.language is Language.ZH else f"{weekday} {day:%m-%d}"

    def weekday(self, day: date) -> str:
        """周一, Mon."""
        return WEEKDAYS[self._at][day.weekday()]

    def until(self, to_ms: int, from_ms: int) -> str:
        """15:42:00, the end of what began at `from_ms`: 24:00:00 at its midnight, with the date on a later day."""
        day, end = self.date_of(from_ms), self._local(to_ms)
        if to_ms == self.midnight(day + timedelta(days=1)):
            return "24:00:00"
        return f"{end:%H:%M:%S}" if end.date() == day else f"{end:%m-%d %H:%M:%S}"

    def date_of(self, at_ms: int) -> date:
        """The calendar day an instant falls on."""
        return self._local(at_ms).date()

    def midnight(self, day: date) -> int:
        """When a calendar day begins."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000

    def share(self, permille: int) -> str:
        """96 %; 100 % only when nothing is missing."""
        return f"{permille // 10} %"

    def coverage(self, permille: int) -> str:
        """Coverage 96 %."""
        return self("coverage_is", share=self.share(permille))

    @property
    def _at(self) -> int:
        return 0 if self.language is Language.ZH else 1

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(self.zone)


def hours_figure(ms: int) -> str:
    """Hours with one decimal, never rounded up to a day that was not full."""
    tenths = round(ms / (HOUR_MS / 10))
    if tenths % 240 == 0 and 0 < ms % DAY_MS > DAY_MS // 2:
        tenths -= 1
    return f"{tenths // 10}.{tenths % 10}"


def stopwatch(s: int) -> str:
    """2:15:08, in any language: hours, minutes, seconds."""
    return f"{s // 3600}:{s % 3600 // 60:02}:{s % 60:02}"


def language_of(asked: str | None, accepted: str | None) -> Language:
    """The language asked for in the address; otherwise the reader's own by Accept-Language; Chinese without any."""
    if asked is not None:
        return Language.ZH if asked.lower().startswith("zh") else Language.EN
    wishes = [_wish(part) for part in (accepted or "")[:500].split(",")]
    for weight, tag in sorted(wishes, key=lambda wish: -wish[0]):
        if weight > 0 and tag[:2] in {"zh", "en"}:
            return Language.ZH if tag.startswith("zh") else Language.EN
    return Language.EN if accepted and "*" not in accepted else Language.ZH


def _wish(part: str) -> tuple[float, str]:
    tag, _, weight = part.strip().lower().partition(";q=")
    try:
        return float(weight or 1), tag
    except ValueError:
        return 0.0, tag
